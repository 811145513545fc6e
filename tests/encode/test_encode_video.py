"""Frames: what is shown, where it moves, in which order, and how it sounds; no sound is not silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import RidgeClassifier
from videos import fading, moving, tone, video

from chiasm.encode.cache import Cache
from chiasm.encode.engine import describe_column
from chiasm.encode.video import Frames
from chiasm.errors import BrokenCell, DataError, NotFitted
from chiasm.rows.readers import read
from chiasm.rows.video import Video, decode_video
from chiasm.storage import read_tree, write_tree

SILENCE = np.zeros(16_000, np.float32)


def described(*files: bytes, **parameters: int) -> np.ndarray:
    return Frames(**parameters).describe([decode_video(data) for data in files])


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b))


def test_the_order_in_time_matters() -> None:
    frames = fading(16)
    up, again, down = described(video(frames), video(frames), video(frames[::-1]))
    np.testing.assert_array_equal(up, again)
    assert distance(up, down) > 10


def test_where_things_move_matters_not_only_where_they_are() -> None:
    """The same frames, so the same mean and spread, in an order with and without haste."""
    calm = moving(12)
    hasty = [calm[i] for i in (0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11)]
    a, b = described(
        video(calm, codec="ffv1", container="matroska"), video(hasty, codec="ffv1", container="matroska")
    )
    pictures = 2 * 2600  # mean and spread of the descriptions of the frames
    np.testing.assert_allclose(a[:pictures], b[:pictures], atol=0.02)
    assert distance(a, b) > 3


def test_size_and_length_of_the_file_hardly_matter() -> None:
    small = described(video(fading(16, (48, 64))))[0]
    large = described(video(fading(64, (96, 128)), rate=30))[0]
    other = described(video(moving(16)))[0]
    assert distance(small, large) < 0.3 * distance(small, other)


def test_a_sound_track_tells_alike_pictures_apart() -> None:
    low, high = described(*(video(fading(10), sound=tone(hertz)) for hertz in (200, 3000)))
    np.testing.assert_array_equal(low[:9000], high[:9000])
    assert distance(low, high) > 10


def test_no_sound_is_not_silence() -> None:
    files = [video(fading(10), sound=tone(hertz)) for hertz in (200, 500, 1000, 3000)]
    lines = described(*files, video(fading(10)), video(fading(10), sound=SILENCE))
    assert lines[:, -1].tolist() == [1, 1, 1, 1, 0, 1]
    assert not lines[4, -400:].any()
    encoder = Frames().fit(lines)
    found = encoder.transform(lines)
    assert distance(found[4], found[5]) > 1
    with_sound = found[[0, 1, 2, 3, 5]]
    nearest = distance(with_sound.mean(axis=0), found[4])
    assert nearest < min(distance(line, found[4]) for line in with_sound)  # its sound is the usual one


def test_sound_never_heard_in_training_is_left_out() -> None:
    lines = described(*(video(moving(10, (0, step))) for step in (1, 2, 3)))
    encoder = Frames().fit(lines)
    quiet, loud = described(video(moving(10)), video(moving(10), sound=tone(400)))
    np.testing.assert_allclose(encoder.transform(quiet[None]), encoder.transform(loud[None]), atol=1e-5)


def test_one_frame_is_enough_and_one_video_too() -> None:
    lines = described(video(fading(1)))
    assert np.isfinite(lines).all()
    assert Frames().fit(lines).transform(lines).tolist() == [[0.0]]


def test_a_line_depends_on_its_video_alone() -> None:
    a, b = video(fading(6)), video(moving(6), sound=tone(300))
    np.testing.assert_array_equal(described(b)[0], described(a, b)[1])


def test_stored_state_gives_the_same_bits(tmp_path: Path) -> None:
    lines = described(*(video(moving(8, (0, step))) for step in (0, 1, 2, 3)))
    encoder = Frames(dim=2).fit(lines)
    write_tree(tmp_path, "video", encoder.state())
    restored = Frames(dim=2).restore(read_tree(tmp_path, "video"))
    assert (restored.transform(lines) == encoder.transform(lines)).all()
    assert encoder.transform(lines).shape == (4, encoder.width_) == (4, 2)


def test_identity_is_that_of_the_description() -> None:
    assert Frames().identity() == Frames(dim=3).identity() != Frames(count=8).identity()


def test_wrong_use_is_named() -> None:
    with pytest.raises(DataError, match="no cell"):
        Frames().fit(Frames().describe([]))
    with pytest.raises(NotFitted, match="Frames"):
        Frames().transform(described(video(fading(2))))


def test_a_column_of_videos_is_described_once_and_damage_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, late = video(moving(8)), video(moving(8, (1, 1)))
    cells = [good, None, late, b"no video", good]
    rows = read({"clip": cells}, modalities={"clip": "video"})
    frames = Video.frames

    def damaged(self: Video, count: int, side: int | None = None) -> np.ndarray:
        if self.data == late:
            raise BrokenCell("video damaged on the way")
        return frames(self, count, side)

    monkeypatch.setattr(Video, "frames", damaged)
    found = describe_column(rows, "clip", Frames(), cache=Cache(tmp_path))
    assert found.row.tolist() == [0, 4]
    assert {b.row: b.why[:20] for b in found.broken} == {2: "video damaged on the", 3: "not a video file tha"}
    np.testing.assert_array_equal(found.values[0], described(good)[0])
    again = describe_column(rows, "clip", Frames(), cache=Cache(tmp_path))
    np.testing.assert_array_equal(again.values, found.values)


def test_actions_filmed_by_a_depth_camera_are_told_apart(shared_data: Path) -> None:
    """Five of 27 actions of utd_mhad as real files; odd subjects train, even test. Chance is 1 in 5."""
    table = pq.read_table(shared_data / "utd_mhad/inertial_skeleton.parquet", columns=["action", "subject"])
    action, subject = (np.array(table[name].to_pylist()) for name in ("action", "subject"))
    with np.load(shared_data / "utd_mhad/depth_16x60x80_u8.npz") as file:
        depth = file["depth"]
    use = np.flatnonzero(np.isin(action, np.unique(action)[::3]))[::2]
    lines = described(
        *(video(list(np.repeat(depth[i][..., None], 3, axis=-1)), rate=8) for i in use), count=8
    )
    train, test = subject[use] % 2 == 1, subject[use] % 2 == 0
    encoder = Frames().fit(lines[train])
    features = encoder.transform(lines)
    classifier = RidgeClassifier(features[train].var(axis=0).sum()).fit(features[train], action[use][train])
    assert classifier.score(features[test], action[use][test]) > 0.5
