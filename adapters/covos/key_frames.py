"""The key frames of a coded clip as a video of their own, decoded when the base model asks for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from robust_vos_bench.datasets.video import Frame, Video

from .stream import Picture, Stream, decode


def extended(keys: Collection[int], prompted: Collection[int], frames: int) -> list[int]:
    """Key frames of a clip in order: the stream's, and from each prompt on all frames up to the next one of these."""
    found = set(keys)
    for t in prompted:
        while t < frames and t not in keys:
            found.add(t)
            t += 1
    return sorted(found)


class KeyFrames:
    """A frame source. Pictures between the frames that were handed out wait until `take` fetches them."""

    def __init__(self, stream: Stream, keys: list[int]) -> None:
        self.stream, self.keys = stream, keys
        self._waiting: dict[int, list[Picture]] = {}
        self._taken = 0

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Frame]:
        number, some = 0, []
        for picture in decode(self.stream):
            some.append(picture)
            if number < len(self.keys) and picture.time == self.keys[number]:
                if number >= self._taken:
                    self._waiting.setdefault(number, some)
                number, some = number + 1, []
                yield picture.frame

    def take(self, number: int) -> list[Picture]:
        """The key frame of this number, which was handed out, behind the pictures between it and the one before."""
        self._taken = number + 1
        return self._waiting.pop(number)


def base_video(video: Video, source: KeyFrames, start: int) -> Video:
    """What the base model is given: the key frames of a video from frame `start` on, with their prompts."""
    times = [start + t for t in source.keys]
    return Video(
        name=video.name,
        size=video.size,
        frames=source,
        prompts={number: video.prompts[t] for number, t in enumerate(times) if t in video.prompts},
        frame_names=tuple(video.frame_names[t] for t in times),
        fps=video.fps,
        dataset=video.dataset,
    )
