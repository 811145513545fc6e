"""What mattered, drawn on the item: shaded words, a heated image, shaded stretches of sounds and series."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chiasm.judge.fonts import clean
from chiasm.judge.occlude import Part
from chiasm.rows.series import Series
from chiasm.rows.sound import Sound
from chiasm.rows.video import Video

FOR, AGAINST = (47, 111, 222), (228, 104, 43)
"""Blue speaks for the label, orange against it: told apart with any of the common colour blindnesses."""
STRONGEST = 0.62
"""Opacity of the piece with the largest effect."""
SIDE = 320  # pixels of the longer side of a drawn image
WIDTH, HEIGHT, LANE = 640, 120, 44  # of a drawing over time, and of one channel in it
LANES = 8
"""Channels drawn, those with the largest effects."""
STROKES = 400
"""Vertical strokes of a waveform, points of a line."""
PLAYED = 60.0
"""Sounds of at most so many seconds can be heard on the page."""


def item_html(value: Any, parts: Sequence[Part]) -> str:
    """A decoded item (text, pixels, `Sound`, `Series`, `Video`, else in plain words), its parts marked."""
    if isinstance(value, str):
        return text_html(value, parts)
    if isinstance(value, Sound):
        return sound_html(value, parts)
    if isinstance(value, Series):
        return series_html(value, parts)
    if isinstance(value, Video):
        return video_html(value, parts)
    if isinstance(value, np.ndarray) and value.ndim == 3:
        return image_html(value, parts)
    if isinstance(value, np.ndarray):
        return f"<p>a vector of {value.size} numbers</p>"
    return f"<p>{escaped(value)}</p>"


def text_html(text: str, parts: Sequence[Part]) -> str:
    """The text with its pieces shaded; of a sentence that was looked into, its words."""
    inside = [part.where[0] for part in parts if part.kind != "sentence"]
    parts = [
        p for p in parts if p.kind != "sentence" or not any(p.where[0] <= i < p.where[1] for i in inside)
    ]
    strength = strengths(parts)
    owner = np.full(len(text), -1)
    for i, part in enumerate(parts):
        owner[int(part.where[0]) : int(part.where[1])] = i
    edges = np.flatnonzero(np.diff(owner, prepend=-2, append=-2))
    shown = []
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        words, who = escaped(text[start:end]), int(owner[start])
        shown.append(words if who < 0 else _mark(words, parts[who], strength[who]))
    return f'<p class="text">{"".join(shown)}</p>'


def _mark(words: str, part: Part, strength: float) -> str:
    side = "for" if part.effect > 0 else "against" if part.effect < 0 else "none"
    style = f"background:{shade(strength)}"
    return f'<mark class="{side}" style="{style}" title="{signed(part.effect)}">{words}</mark>'


# Images


def heat(pixels: NDArray[np.uint8], parts: Sequence[Part]) -> NDArray[np.uint8]:
    """Pixels uint8 (h, w, 3) in grey, their patches coloured by effect, at the size of `enlarged`."""
    picture = enlarged(pixels)
    grey = np.asarray(picture.convert("L"), np.float64)[..., None]
    out = np.repeat(0.75 * grey + 32, 3, axis=2)
    scale = np.array(out.shape[:2]) / pixels.shape[:2]
    for part, strength in zip(parts, strengths(parts), strict=True):
        (top, left), (bottom, right) = (np.round(np.array(part.where[i : i + 2]) * scale) for i in (0, 2))
        patch = (slice(int(top), int(bottom)), slice(int(left), int(right)))
        colour, opacity = np.array(FOR if strength > 0 else AGAINST), abs(strength)
        out[patch] = (1 - opacity) * out[patch] + opacity * colour
    return out.round().astype(np.uint8)


def enlarged(pixels: NDArray[np.uint8]) -> Image.Image:
    """The picture with its longer side about `SIDE`; the pixels of small drawings stay sharp."""
    picture = Image.fromarray(pixels)
    longer = max(picture.size)
    method = Image.Resampling.NEAREST if longer <= 64 else Image.Resampling.LANCZOS
    width, height = (max(1, round(length * SIDE / longer)) for length in picture.size)
    return picture.resize((width, height), method)


def image_html(pixels: NDArray[np.uint8], parts: Sequence[Part]) -> str:
    """The image, and beside it the same heated."""
    pair = [(enlarged(pixels), "the image")]
    if parts:
        pair.append((Image.fromarray(heat(pixels, parts)), "its patches coloured by effect"))
    return f'<div class="side">{"".join(_image(picture, alt) for picture, alt in pair)}</div>'


def _image(picture: Image.Image, alt: str) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return f'<img src="{_address("image/png", file)}" alt="{alt}">'


def _address(kind: str, file: io.BytesIO) -> str:
    return f"data:{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


# Over time


def sound_html(sound: Sound, parts: Sequence[Part]) -> str:
    """The waveform with its windows shaded, and the sound to be heard."""
    level = np.abs(sound.samples)
    peak = max(float(level.max(initial=0.0)), 1e-9)
    strokes = [
        float(part.max(initial=0.0)) / peak for part in np.array_split(level, min(STROKES, len(level)))
    ]
    step, middle = WIDTH / max(1, len(strokes)), HEIGHT / 2
    path = "".join(
        f"M{(i + 0.5) * step:.1f} {middle - s * (middle - 6):.1f}V{middle + s * (middle - 6) + 0.5:.1f}"
        for i, s in enumerate(strokes)
    )
    line = f'<path class="wave" d="{path}" stroke-width="{min(1.2, step):.2f}"/>'
    return _over_time(parts, line, HEIGHT, sound.seconds, "s") + _player(sound)


def _player(sound: Sound) -> str:
    import soundfile

    if sound.seconds > PLAYED:
        return ""
    file = io.BytesIO()
    soundfile.write(file, sound.samples, sound.rate, "PCM_16", format="WAV")
    return f'<audio controls src="{_address("audio/wav", file)}"></audio>'


def series_html(series: Series, parts: Sequence[Part]) -> str:
    """A lane for each channel, those with the largest effects where they are many, with windows shaded."""
    effects = {int(part.where[0]): part for part in parts if part.kind == "channel"}
    order = sorted(
        range(series.values.shape[1]), key=lambda c: -abs(effects[c].effect) if c in effects else 0
    )
    shown = sorted(order[:LANES])
    strength = dict(zip(effects, strengths(list(effects.values())), strict=True))
    lanes = [_lane(series.values[:, c], i) for i, c in enumerate(shown)]
    lanes += [_name(c, i, effects.get(c), strength.get(c, 0.0)) for i, c in enumerate(shown)]
    more = len(order) - len(shown)
    note = f"<small>and {more} more channels with smaller effects</small>" if more else ""
    end, unit = (
        (len(series.values) / series.rate, "s") if series.rate else (float(len(series.values)), "steps")
    )
    windows = [part for part in parts if part.kind != "channel"]
    return _over_time(windows, "".join(lanes), LANE * len(shown), end, unit) + note


def _lane(values: NDArray[Any], place: int) -> str:
    """One channel as a line that fills its lane."""
    at = np.linspace(0, len(values) - 1, min(STROKES, len(values))).round().astype(int)
    line = np.asarray(values[at], np.float64)
    spread = float(np.ptp(line)) or 1.0
    y = LANE * (place + 1) - 6 - (line - line.min()) / spread * (LANE - 12)
    x = (at + 0.5) / len(values) * WIDTH
    return (
        f'<polyline class="line" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))}"/>'
    )


def _name(channel: int, place: int, part: Part | None, strength: float) -> str:
    effect = f"  {signed(part.effect)}" if part else ""
    top = LANE * place + 5
    bar = f'<rect x="0" y="{top}" width="6" height="{LANE - 10}" fill="{shade(strength)}"/>'
    return bar + f'<text x="12" y="{top + 9}">channel {channel + 1}{effect}</text>'


def _over_time(parts: Sequence[Part], drawn: str, height: int, end: float, unit: str) -> str:
    """A drawing from 0 to `end` with windows shaded below it and a scale under it."""
    shaded = []
    for part, strength in zip(parts, strengths(parts), strict=True):
        left, right = (edge / end * WIDTH for edge in part.where[:2])
        box = f'x="{left:.1f}" y="0" width="{right - left:.1f}" height="{height}"'
        says = f"<title>{escaped(part.what)}: {signed(part.effect)}</title>"
        shaded.append(f'<rect {box} fill="{shade(strength)}">{says}</rect>')
    scale = f"<div class='scale'><span>0</span><span>{end:,.4g} {unit}</span></div>"
    box = f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="over time, shaded by effect"'
    return f"<svg {box}>{''.join(shaded)}{drawn}</svg>{scale}"


def video_html(video: Video, parts: Sequence[Part]) -> str:
    """A frame of each stretch with its effect below it."""
    frames = video.frames(max(1, len(parts)), side=SIDE // 2)
    strips = []
    for i, (part, strength) in enumerate(zip(parts, strengths(parts), strict=True)):
        place = i * len(frames) // len(parts)
        caption = f"<figcaption style='border-color:{shade(strength)}'>{escaped(part.what)}<br>"
        strips.append(
            f"<figure>{_image(Image.fromarray(frames[place]), 'a frame')}{caption}"
            f"{signed(part.effect)}</figcaption></figure>"
        )
    return f'<div class="strip">{"".join(strips) or _image(Image.fromarray(frames[0]), "a frame")}</div>'


# Colours and numbers


def strengths(parts: Sequence[Part]) -> list[float]:
    """The effects scaled so that the largest is `STRONGEST`; zeros where none has any."""
    most = max((abs(part.effect) for part in parts), default=0.0)
    return [part.effect / most * STRONGEST if most > 0 else 0.0 for part in parts]


def shade(strength: float) -> str:
    """A colour of CSS: blue for what is above 0, orange for what is below."""
    red, green, blue = FOR if strength > 0 else AGAINST
    return f"rgba({red},{green},{blue},{abs(strength):.3f})"


def escaped(value: Any) -> str:
    """Words that no page can mistake for its own; line breaks are kept."""
    lines = str(value).splitlines(keepends=True)
    return "".join(
        html.escape(clean(line.rstrip("\r\n"))) + ("\n" if line[-1] in "\r\n" else "") for line in lines
    )


def number(value: float) -> str:
    """A number as one reads it: fewer places the larger it is."""
    places = 3 if abs(value) < 10 else 1 if abs(value) < 1000 else 0
    return f"{value:,.{places}f}".replace("-", "−")


def signed(value: float) -> str:
    """`number` with its sign; 0 has none."""
    return "0" if value == 0 else number(value) if value < 0 else f"+{number(value)}"
