"""The modalities: their names, the file suffixes and first bytes that tell them."""

from __future__ import annotations

MODALITIES = (
    "text",
    "image",
    "sound",
    "video",
    "series",
    "vector",
    "category",
    "number",
    "date",
    "name",
)
SPACE = frozenset({"text", "image", "sound", "video", "series", "vector"})  # join the shared space by default
MEDIA = frozenset({"image", "sound", "video"})
FILES = MEDIA | {"series"}  # cells that may be files

_SUFFIXES = {
    "image": ".jpg .jpeg .jpe .png .webp .gif .bmp .tif .tiff .avif .jp2 .ppm .pgm .ico",
    "sound": ".wav .flac .ogg .oga .mp3 .m4a .aac .opus .aif .aiff .caf .weba .wma .amr .au",
    "video": ".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg",
    "series": ".npy",
    "text": ".txt",
}
_BY_SUFFIX = {ending: modality for modality, endings in _SUFFIXES.items() for ending in endings.split()}

# (first bytes, offset of the second mark, second mark, format, modality)
_MARKS: tuple[tuple[bytes, int, bytes, str, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, b"", "PNG", "image"),
    (b"\xff\xd8\xff", 0, b"", "JPEG", "image"),
    (b"GIF8", 0, b"", "GIF", "image"),
    (b"BM", 6, b"\0\0\0\0", "BMP", "image"),
    (b"II*\0", 0, b"", "TIFF", "image"),
    (b"MM\0*", 0, b"", "TIFF", "image"),
    (b"RIFF", 8, b"WEBP", "WebP", "image"),
    (b"", 4, b"ftypavif", "AVIF", "image"),
    (b"\0\0\0\x0cjP", 0, b"", "JPEG 2000", "image"),
    (b"P5", 0, b"", "PGM", "image"),
    (b"P6", 0, b"", "PPM", "image"),
    (b"RIFF", 8, b"WAVE", "WAV", "sound"),
    (b"fLaC", 0, b"", "FLAC", "sound"),
    (b"OggS", 0, b"", "Ogg", "sound"),
    (b"ID3", 0, b"", "MP3", "sound"),
    (b"\xff\xfb", 0, b"", "MP3", "sound"),
    (b"\xff\xf3", 0, b"", "MP3", "sound"),
    (b"\xff\xf2", 0, b"", "MP3", "sound"),
    (b"\xff\xf1", 0, b"", "AAC", "sound"),
    (b"\xff\xf9", 0, b"", "AAC", "sound"),
    (b"", 4, b"ftypM4A", "M4A", "sound"),
    (b"", 4, b"ftypM4B", "M4B", "sound"),
    (b"", 4, b"ftyp", "MP4", "video"),
    (b"RIFF", 8, b"AVI ", "AVI", "video"),
    (b"\0\0\1\xba", 0, b"", "MPEG", "video"),
    (b"FORM", 8, b"AIF", "AIFF", "sound"),
    (b"caff", 0, b"", "CAF", "sound"),
    (b"\x1a\x45\xdf\xa3", 0, b"", "Matroska", "video"),
    (b"\x93NUMPY", 0, b"", "NPY", "series"),
    (b"#!AMR", 0, b"", "AMR", "sound"),
)


def sniff(data: bytes) -> tuple[str, str] | None:
    """(format, modality) recognised by the first bytes; None where they are of none."""
    for head, offset, mark, kind, modality in _MARKS:
        if data.startswith(head) and data[offset : offset + len(mark)] == mark:
            return kind, modality
    return None


def suffix(path: str) -> str:
    """The suffix of a path in small letters, with its dot; "" where there is none."""
    name = path.rpartition("/")[2]
    return name[name.rfind(".") :].lower() if "." in name else ""


def modality_of_suffix(ending: str) -> str | None:
    """The modality of files with this suffix."""
    return _BY_SUFFIX.get(ending)
