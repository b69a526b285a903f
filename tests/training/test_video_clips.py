"""Clips of the video stage: keyed draws, labels that say what is to be seen, objects that are hidden and return."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from helpers.training.films import COLOURS, write_film
from training.clips import Clips
from training.draws import USUAL
from training.images import Stills
from training.keys import generator
from training.video_clips import STILLS_EVERY, make_video_clips, render_video, watched
from training.video_draws import GAPS, VideoDraws, draw_video, moments
from training.videos import Videos, load_videos


def test_moments_are_different_frames_in_or_against_the_order_of_time() -> None:
    times = tuple(range(0, 160, 2))
    seen, backwards = set(), 0
    for number in range(60):
        found = moments(times, 5, generator(0, "moments", number))
        assert found == moments(times, 5, generator(0, "moments", number))
        assert len(set(found)) == 5 and min(found) >= 0 and max(found) < len(times)
        assert found in (sorted(found), sorted(found, reverse=True))
        backwards += found[0] > found[-1]
        seen |= {abs(times[a] - times[b]) for a, b in itertools.pairwise(found)}
    assert 15 <= backwards <= 45
    assert min(seen) == GAPS[0] and max(seen) > GAPS[1], "real gaps of time, of many lengths"


def test_gaps_are_those_of_the_film_where_frames_are_missing() -> None:
    """Times, not indices, are drawn: over a hole the index does not jump as far as the time."""
    times = (*range(0, 40, 2), *range(100, 140, 2))
    over = [moments(times, 3, generator(0, "hole", n)) for n in range(200)]
    jumps = [abs(times[a] - times[b]) for found in over for a, b in itertools.pairwise(found)]
    assert max(jumps) >= 62


def test_a_short_video_shows_every_frame_once_and_the_shortest_repeats_the_last() -> None:
    for number in range(20):
        assert sorted(moments((0, 2, 4, 6, 8), 5, generator(0, number))) == [0, 1, 2, 3, 4]
        found = sorted(moments((0, 2, 4), 5, generator(0, number)))
        assert set(found) <= {0, 1, 2}


def test_the_same_step_gives_the_same_clips_and_another_step_others(videos: Videos, stills: Stills) -> None:
    before = torch.get_rng_state()
    for step in (0, STILLS_EVERY - 1):
        first, again = (make_video_clips(videos, stills, 3, step, 2, 4, 65) for _ in range(2))
        assert torch.equal(first.frames, again.frames) and torch.equal(first.labels, again.labels)
        assert first.frames.shape == (2, 4, 3, 65, 65)
    other = make_video_clips(videos, stills, 3, 1, 2, 4, 65)
    assert not torch.equal(other.frames[0], make_video_clips(videos, stills, 3, 0, 2, 4, 65).frames[0])
    assert torch.equal(torch.get_rng_state(), before)


def _plain(videos: Videos, stills: Stills, number: int, batch: int = 2, side: int = 65) -> VideoDraws:
    """Draws in which every object is cut out of a film, under unchanged colours."""
    drawn = draw_video(videos, stills, 0, ("colours", number), batch, 5, side, USUAL)
    video, at = drawn.video.clone(), drawn.at.clone()
    for sample in range(batch):
        for index in range(2, video.shape[1]):
            film = int(video[sample, 0])
            video[sample, index] = (film + index - 1) % 3  # no two asked for have the same colour
            at[sample, index] = torch.arange(5)
    base = drawn.base
    anchor, half = base.anchor.clone(), base.half.clone()
    for sample in range(batch):
        for index in range(2, video.shape[1]):
            box = videos.boxes[int(video[sample, index])][0]
            anchor[sample, index], half[sample, index] = box[:2], float(box[2:].max())
    neutral = torch.tensor([1.0, 1, 1, 0, 1, 1])
    present = base.present.clone()
    present[:, -1] = False
    base = replace(
        base,
        anchor=anchor,
        half=half,
        present=present,
        colour=neutral.expand_as(base.colour),
        light=torch.ones_like(base.light),
    )
    return VideoDraws(base, video, at)


def _of_colour(frame: Tensor, film: int) -> Tensor:
    """Where one channel is far above the others."""
    others = [c for c in range(3) if c != film]
    return frame[film] > 0.35 + frame[others].amax(0)


def test_labels_are_where_the_colours_of_objects_are(videos: Videos, stills: Stills) -> None:
    compared = 0
    for number in range(10):
        drawn = _plain(videos, stills, number)
        clips = render_video(videos, stills, drawn, 65)
        for sample in range(2):
            for slot in range(1, clips.slots):
                film = int(drawn.video[sample, slot])
                if not clips.valid[sample, slot]:
                    continue
                for t in range(5):
                    label = clips.labels[sample, t] == slot
                    colour = _of_colour(clips.frames[sample, t], film)
                    both, either = int((label & colour).sum()), int((label | colour).sum())
                    if either >= 60:
                        assert both / either > 0.85, (number, sample, slot, t)
                        compared += 1
    assert compared > 60


def test_objects_are_hidden_and_come_back(tmp_path: Path, stills: Stills) -> None:
    for name in COLOURS:
        write_film(tmp_path, name, COLOURS[name], frames=7, shift=1)
    (tmp_path / "ImageSets").mkdir()
    (tmp_path / "ImageSets" / "train.txt").write_text(" ".join(COLOURS))
    (tmp_path / "ImageSets" / "valid.txt").write_text("watch")
    slow = load_videos(tmp_path, held_out=False)
    hidden = returned = 0
    for number in range(16):
        clips: Clips = make_video_clips(slow, stills, 0, STILLS_EVERY * number, 2, 5, 65)
        area = torch.stack([(clips.labels == slot).sum((2, 3)) for slot in range(1, clips.slots)], 2)
        first, least, last = area[:, 0].float(), area[:, 1:4].amin(1).float(), area[:, 4].float()
        gone = clips.valid[:, 1:] & (least < 0.4 * first)
        hidden += int(gone.sum())
        returned += int((gone & (last > 0.7 * first)).sum())
    assert hidden >= 8 and returned >= 3


def test_watched_clips_show_one_video_alone(films: Path) -> None:
    watch = load_videos(films, held_out=True)
    clips = watched(watch, 0, 65)
    assert torch.equal(clips.frames, watched(watch, 0, 65).frames)
    assert clips.slots == 2 and clips.valid.all() and clips.frames.shape == (1, 8, 3, 65, 65)
    yellow = clips.frames[0, :, :2].amin(1) > 0.3 + clips.frames[0, :, 2]
    label = clips.labels[0] == 1
    assert int((yellow & label).sum()) / int((yellow | label).sum()) > 0.9


@pytest.mark.parametrize("objects", ["usual", "large"])
def test_the_film_fills_the_clip_at_first(videos: Videos, stills: Stills, objects: str) -> None:
    variation = USUAL if objects == "usual" else replace(USUAL, extent=1.15)
    for number in range(20):
        drawn = draw_video(videos, stills, 0, ("fill", number), 2, 3, 65, variation)
        d = drawn.base
        for corner in (0.0, 65.0):
            place = d.anchor[:, 0] + (corner - d.centre[:, 0]) / d.scale[:, :1]
            assert (place >= -1e-3).all() and (place <= torch.tensor([96.0, 170.0]) + 1e-3).all()
