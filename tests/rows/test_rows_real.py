"""Real collections are read as a person would read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from chiasm import read

GOLDEN = {
    "flickr8k/photos": {
        "name": "filename",
        "category": "split",
        "text, many": "captions",
        "image": "photo",
    },
    "flickr8k/vectors": {
        "name": "filename",
        "category": "split",
        "text, many": "captions",
        "vector": "photo_mobilenetv2",
    },
    "esc10/esc10": {
        "name": "filename freesound_id",
        "number": "fold esc50_target orig_sample_rate sample_rate n_samples",
        "category": "take label esc50_category",
        "sound": "audio",
    },
    "fsdd/fsdd_flac": {
        "name": "filename",
        "number": "digit index sample_rate n_samples",
        "category": "speaker split",
        "sound": "audio",
    },
    "mnist/mnist": {"category": "split label", "image": "image"},
    "covid_chestxray/covid_cxr_frontal_256": {
        "name": "patientid filename",
        "number": "offset age temperature pO2_saturation leukocyte_count neutrophil_count lymphocyte_count "
        "width height orig_width orig_height severity_geographic severity_opacity",
        "category": "sex finding survival intubated intubation_present went_icu in_icu extubated view "
        "modality needed_supplemental_O2 date doi url license",
        "text": "location clinical_notes other_notes",
        "image": "image",
    },
    "houses/houses_160": {
        "number": "house_id bedrooms bathrooms area_sqft price_usd",
        "category": "zipcode",
        "image": "image_frontal image_bedroom image_bathroom image_kitchen",
    },
    "utd_mhad/inertial_skeleton": {
        "name": "key",
        "series": "inertial skeleton",
        "number": "action subject trial n_inertial n_frames n_depth_frames",
        "category": "split",
    },
}


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_schema_of_real_data(name: str, shared_data: Path) -> None:
    schema = read(shared_data / f"{name}.parquet").schema
    found = {column: modality for column, modality, _ in schema.table_lines()}
    assert found == {column: modality for modality, names in GOLDEN[name].items() for column in names.split()}
    assert all(column.why for column in schema.columns)


def test_gaps_of_the_clinic(shared_data: Path) -> None:
    rows = read(shared_data / "covid_chestxray/covid_cxr_frontal_256.parquet")
    found = rows.inspect()
    assert (len(rows), found["clinical_notes"].present, found["age"].present) == (307, 215, 203)
    assert found["image"].broken == ()
    train, test = rows.split(by="patientid")
    assert not set(train.values("patientid")) & set(test.values("patientid"))


def test_ready_vectors_and_ready_parts(shared_data: Path) -> None:
    rows = read(shared_data / "flickr8k/vectors.parquet")
    train, test = rows.split(column="split")
    assert (len(train), len(test), len(rows.part("split", "dev"))) == (6000, 1000, 1000)
    values, row, broken = test.array("photo_mobilenetv2")
    assert values.shape == (1000, 1280)
    assert broken == []
    assert len(row) == 1000
    assert sum(1 for _ in test.cells("captions")) == 5000
