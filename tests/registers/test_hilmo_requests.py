"""Requests from AvoHilmo: the assessment of need starts the clock, the first treating visit of the service stops it."""

import pandas as pd
import pytest

from servicenee import read_hilmo

HEADER = (
    "AVOHILMO_ID;TNRO;HOIDONTARVE_AJANKOHTA;HTA_KIIREELLISYYS;AJANVARAUS_PALVELUMUOTO;PERUUTUS_AJANKOHTA;PERUUTUS_SYY;"
    "KAYNTI_ALKOI;KAYNTI_KAVIJARYHMA;KAYNTI_LUONNE;KAYNTI_PALVELUMUOTO;KAYNTI_YHTEYSTAPA"
)


@pytest.fixture
def requests(tmp_path):
    """Requests of rows given as (assessed, booked service, cancelled, visit, group, kind, service, form)."""

    def read(*rows):
        (tmp_path / "vaesto.csv").write_text("TNRO;SYNTYMAPVM;SUKUPUOLI\n1;1.1.1940;2\n")
        (tmp_path / "kuolemat.csv").write_text("TNRO;KPV\n1;30.6.2021\n")
        lines = [HEADER]
        for number, (assessed, booked, cancelled, visit, *rest) in enumerate(rows):
            reason = "1" if cancelled else ""
            cancelled = cancelled.removeprefix("?")
            lines.append(";".join([str(number), "1", assessed, "E", booked, cancelled, reason, visit, *rest]))
        (tmp_path / "avohilmo.csv").write_text("\n".join(lines) + "\n")
        registers = read_hilmo(tmp_path, extract_date="2022-01-01", tolerance=1.0)
        if registers.requests is None:
            return None
        columns = [registers.requests[name] for name in ("requested", "met", "closed")]
        return [
            tuple("" if pd.isna(date) else f"{date:%Y-%m-%d}" for date in row) for row in zip(*columns, strict=True)
        ]

    return read


VISIT = ("1", "SH", "T11", "R10")


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        # one row: assessed and treated
        ([("1.3.2021 08:00", "", "", "5.3.2021 09:00", *VISIT)], [("2021-03-01", "2021-03-05", "")]),
        ([("1.3.2021 08:00", "", "", "1.3.2021 08:00", *VISIT)], [("2021-03-01", "2021-03-01", "")]),
        ([("6.3.2021", "", "", "5.3.2021 09:00", *VISIT)], [("2021-03-05", "2021-03-05", "")]),
        # two rows: the next visit without an assessment of its own
        (
            [("1.3.2021", "T11", "", "", "", "", "", ""), ("", "", "", "9.3.2021", *VISIT)],
            [("2021-03-01", "2021-03-09", "")],
        ),
        (
            [("1.3.2021", "T11", "", "", "", "", "", ""), ("8.3.2021", "", "", "9.3.2021", *VISIT)],
            [("2021-03-01", "", ""), ("2021-03-08", "2021-03-09", "")],
        ),
        (
            [("1.3.2021", "T11", "", "", "", "", "", ""), ("", "", "", "28.2.2021", *VISIT)],
            [("2021-03-01", "", "")],
        ),
        # visits that do not treat, or treat something else
        (
            [("1.3.2021", "T11", "", "", "", "", "", ""), ("", "", "", "9.3.2021", "1", "SH", "T40", "R20")],
            [("2021-03-01", "", "")],
        ),
        (
            [("1.3.2021", "T60", "", "", "", "", "", ""), ("", "", "", "9.3.2021", *VISIT)],
            [("2021-03-01", "", "")],
        ),
        (
            [("1.3.2021", "", "", "", "", "", "", ""), ("", "", "", "9.3.2021", "1", "TH", "T11", "R10")],
            [("2021-03-01", "", "")],
        ),
        (
            [("1.3.2021", "", "", "", "", "", "", ""), ("", "", "", "9.3.2021", "2", "SH", "T11", "R10")],
            [("2021-03-01", "", "")],
        ),
        (
            [("1.3.2021", "", "", "", "", "", "", ""), ("", "", "", "9.3.2021", "1", "SH", "T11", "R72")],
            [("2021-03-01", "", "")],
        ),
        # at a distance counts
        (
            [("1.3.2021", "", "", "", "", "", "", ""), ("", "", "", "9.3.2021", "1", "SH", "T11", "R52")],
            [("2021-03-01", "2021-03-09", "")],
        ),
        # cancelled
        ([("1.3.2021", "T11", "4.3.2021 10:00", "5.3.2021", *VISIT)], [("2021-03-01", "", "2021-03-04")]),
        ([("1.3.2021", "T11", "?", "5.3.2021", *VISIT)], [("2021-03-01", "", "")]),
        # outside the person's life, after the extract: the visit counts, the request does not
        (
            [("1.7.2021", "", "", "", "", "", "", ""), ("1.6.2021", "", "", "", "", "", "", "")],
            [("2021-06-01", "", "")],
        ),
        # prevention is no treatment
        ([("1.3.2021", "", "", "5.3.2021 09:00", "1", "TH", "T21", "R10")], []),
        # no assessments at all
        ([("", "", "", "5.3.2021 09:00", *VISIT)], None),
    ],
)
def test_the_clock(requests, rows, found):
    assert requests(*rows) == found
