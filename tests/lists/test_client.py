"""The client's own page: what was looked at, what it means, how to object; and who else is on it: nobody."""

import pytest

EXPECTED = {
    "fi": [
        "Miksi sinulle tarjotaan yhteydenottoa",
        "palvelutarpeesi voi kasvaa",
        "Arvioitu asia: Ympärivuorokautisen hoivan alkaminen, seuraavat 12 kk</p>",
        "tämä koskee arviolta 60 sadasta",
        "Päivystyskäynnit: 4 (yleensä 0",
        "Arvio ei ole diagnoosi eikä päätös.",
        "Et menetä mitään palvelua",
        "Voit vastustaa tietojesi käyttöä",
        "Ota yhteyttä: Asiakasohjaus 06 123",
    ],
    "sv": [
        "Varför du erbjuds kontakt",
        "kan ditt servicebehov öka",
        "gäller detta uppskattningsvis 60 av 100",
        "Jourbesök: 4 (vanligen 0",
        "Du förlorar ingen tjänst",
        "Du kan när som helst invända",
        "Ta kontakt: Asiakasohjaus 06 123",
    ],
    "en": [
        "Why you are offered a contact",
        "your service need may grow",
        "this concerns an estimated 60 of 100",
        "Emergency visits: 4 (usually 0",
        "You lose no service",
        "You may object",
        "Contact: Asiakasohjaus 06 123",
    ],
}


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_a_client_reads_about_themselves_in_their_own_language(language, listing, tmp_path):
    path = listing(language="fi").explain_to_client(
        "p0000", tmp_path / "own.html", contact="Asiakasohjaus 06 123", language=language
    )
    page = path.read_text("utf-8")
    assert f'<html lang="{language}">' in page
    assert [said for said in EXPECTED[language] if said not in page] == []
    assert "p00" not in page, "the client needs no pseudonym"


def test_hidden_topics_are_not_shown_to_the_client_either(listing, tmp_path):
    path = listing().explain_to_client("p0000", tmp_path / "own.html", contact="06 123")
    assert "Masennus" not in path.read_text("utf-8")


@pytest.mark.parametrize(
    ("person", "path", "contact", "message"),
    [
        ("p0059", "own.html", "06 123", "`person_id` must be one of the persons on the list"),
        ("p0000", "own.pdf", "06 123", r"`path` must end in \.html"),
        ("p0000", "own.html", " ", "`contact` must say whom the client can turn to"),
    ],
)
def test_a_page_needs_a_listed_person_and_somebody_to_turn_to(person, path, contact, message, listing, tmp_path):
    with pytest.raises(ValueError, match=message) as refused:
        listing().explain_to_client(person, tmp_path / path, contact=contact)
    assert "p0059" not in str(refused.value)


def test_the_contact_is_text_not_markup(listing, tmp_path):
    path = listing().explain_to_client("p0000", tmp_path / "own.html", contact="<script>alert(1)</script>")
    assert "<script>" not in path.read_text("utf-8")
