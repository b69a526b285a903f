"""Reading and writing frames and masks, strictly: damage is an error that names the file, never a silent half image.

Pillow decodes both. OpenCV returns the upper half of a truncated JPEG without a word (and paints the rest grey), turns
images by their EXIF tag, and destroys the indices of palette masks; the decoded pixels of sound files are the same.
"""

from __future__ import annotations

import contextlib
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile

from robust_vos_bench.datasets.palette import colour_ids, palette
from robust_vos_bench.datasets.png import SIGNATURE, chunks
from robust_vos_bench.datasets.video import Frame, Mask
from robust_vos_bench.errors import DataError
from robust_vos_bench.system.atomic import write_bytes

FRAME_SUFFIXES = (".jpg", ".jpeg", ".png")
"""File name endings that count as frames, in small letters: .JPG counts as well."""
_MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS


def image_size(path: Path) -> tuple[int, int]:
    """(H, W) from the header alone; nothing is decoded. Raises DataError, naming the file."""
    try:
        with _strict_pillow(), Image.open(path) as image:
            return image.height, image.width
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not a readable image ({_reason(error)})") from error


def read_frame(path: Path, size: tuple[int, int] | None = None) -> Frame:
    """One frame as RGB uint8 H x W x 3: JPEG or PNG; grey is expanded, alpha dropped, EXIF rotation ignored.

    size: the (H, W) that it must have. Raises DataError, naming the file, where it is missing, truncated, damaged,
    deeper than 8 bits or of another size.
    """
    image, bits = decode(path)
    if bits > 8:
        raise DataError(
            f"{path}: a frame of more than 8 bits per channel ({bits}-bit {image.mode}); store it as 8-bit RGB"
        )
    frame = np.array(image.convert("RGB"), np.uint8)
    check_size(path, frame.shape[:2], size, "frame")
    return frame


def read_mask(path: Path, size: tuple[int, int] | None = None) -> Mask:
    """One mask as uint8 H x W of the ids in the file: palette index, grey value, or 0 / 1 for a 1-bit image.

    size: the (H, W) that it must have. Raises DataError, naming the file, for anything else: colour images (ids are
    not guessed from colours), more than 8 bits, damage, another size.
    """
    image, _ = decode(path)
    if image.format != "PNG":
        raise DataError(
            f"{path}: a {image.format} file, not a PNG: masks are PNG files, because other formats change the ids or "
            "cannot hold them"
        )
    if image.mode not in ("P", "L", "1"):
        raise DataError(f"{path}: {_why_no_mask(image)}")
    mask = np.array(image, np.uint8)
    check_size(path, mask.shape, size, "mask")
    return mask


def write_mask(path: Path, mask: Mask) -> None:
    """Write ids (uint8 H x W) as an indexed PNG with the DAVIS palette; all or nothing. Raises DataError."""
    write_bytes(path, encode_mask(mask))


def write_frame(path: Path, frame: Frame) -> None:
    """Write RGB uint8 H x W x 3 as the suffix says: lossless PNG, or JPEG 4:4:4 quality 100; all or nothing."""
    write_bytes(path, encode_frame(frame, path.suffix))


def encode_mask(mask: Mask) -> bytes:
    """Ids (uint8 H x W) as the bytes of an indexed PNG with the DAVIS palette."""
    if mask.dtype != np.uint8 or mask.ndim != 2:
        raise DataError(f"a mask must be uint8 H x W, got {mask.dtype} {mask.shape}")
    image = Image.fromarray(mask)
    image.putpalette(palette())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=False)
    return buffer.getvalue()


def encode_frame(frame: Frame, suffix: str = ".png") -> bytes:
    """RGB uint8 H x W x 3 as file bytes: ".png" is lossless, ".jpg" is JPEG 4:4:4 at quality 100 (small losses)."""
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise DataError(f"a frame must be uint8 H x W x 3, got {frame.dtype} {frame.shape}")
    if suffix.lower() == ".png":
        import cv2

        # Level 1 costs half of Pillow's time and 10 % more bytes than level 6; corrupted frames hardly compress.
        done, data = cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])
        if not done:
            raise DataError("the PNG encoder failed")
        return data.tobytes()
    if suffix.lower() not in (".jpg", ".jpeg"):
        raise DataError(f"frames are written as .png or .jpg, not {suffix!r}")
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=100, subsampling=0)
    return buffer.getvalue()


def check_png(path: Path, data: bytes) -> None:
    """Walk the chunks of a PNG and check every CRC. Raises DataError where one is cut off or damaged."""
    for _ in chunks(data, str(path)):
        pass


@contextlib.contextmanager
def _strict_pillow() -> Iterator[None]:
    """Pillow as it comes, whatever a model in this process has set: half a picture is never taken for a whole one."""
    tolerant, pixels = ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS
    ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = False, _MAX_IMAGE_PIXELS
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = tolerant, pixels


def decode(path: Path) -> tuple[Image.Image, int]:
    """The decoded image and its bits per channel. Raises DataError, naming the file, where it is missing or damaged."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({_reason(error)})") from error
    if not data:
        raise DataError(f"{path}: empty file (0 bytes)")
    if data.startswith(SIGNATURE):
        check_png(path, data)
    try:
        with _strict_pillow():
            image: Image.Image = Image.open(io.BytesIO(data))
            image.load()
    except (OSError, SyntaxError, ValueError, zlib.error, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: truncated or damaged image ({_reason(error)})") from error
    if data.startswith(SIGNATURE):
        return image, data[24]  # the header says it: Pillow opens 16-bit colour as 8-bit RGB, keeping the high bytes
    return image, {"I": 32, "F": 32}.get(image.mode, 16 if image.mode.startswith("I") else 8)


def check_size(path: Path, shape: tuple[int, ...], size: tuple[int, int] | None, kind: str) -> None:
    """Raise DataError, naming the file, where an image has not the (H, W) that it must have; None takes any."""
    if size is not None and tuple(shape) != tuple(size):
        raise DataError(
            f"{path}: a {kind} of {shape[1]} x {shape[0]} pixels, "
            f"but the video is {size[1]} x {size[0]} (width x height)"
        )


def _why_no_mask(image: Image.Image) -> str:
    if image.mode in ("RGB", "RGBA"):
        colours = image.convert("RGB").getcolors(256) or []
        known = colour_ids()
        if colours and all(colour in known for _, colour in colours):
            ids = sorted(known[colour] for _, colour in colours)  # type: ignore[index]
            return (
                "a colour (RGB) image, not a mask of object ids. Its colours are all in the DAVIS palette "
                f"(ids {', '.join(map(str, ids))}), so it was probably saved without the palette: "
                "save it again as an indexed (mode P) PNG"
            )
        return "a colour (RGB) image, not a mask of object ids: masks are indexed, 8-bit grey or 1-bit PNGs"
    return f"an image of mode {image.mode!r}, not a mask of object ids: masks are indexed, 8-bit grey or 1-bit PNGs"


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
