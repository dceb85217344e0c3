"""User names that deceive."""

import pytest

from songserver.auth.usernames import Skeletons, mixes_scripts


@pytest.fixture(scope="module")
def skeletons() -> Skeletons:
    return Skeletons()


@pytest.mark.parametrize(
    "name",
    ["anna", "Ånna", "Иван", "王小明", "さくらとケン", "ラーメン", "김민수kim", "tokyo東京", "أحمد١٢", "user-1.b_c"],
)
def test_names_of_one_language_are_taken(name: str) -> None:
    assert not mixes_scripts(name)


@pytest.mark.parametrize("name", ["аdmin", "pаypal", "Ωmega", "adminא", "Иvan", "김さくら", "user1١", "아dмin"])
def test_names_that_mix_scripts_are_seen(name: str) -> None:
    assert mixes_scripts(name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("coco", "сосо"),  # all Cyrillic
        ("admin", "ADMIN"),
        ("admin", "adrnin"),
        ("paypal", "paypa1"),
        ("oscar", "0scar"),
        ("anna", "ａｎｎａ"),
        ("Ωμ", "ωµ"),
        ("ooo", "οοο"),  # all Greek
    ],
)
def test_names_that_look_the_same_have_the_same_skeleton(skeletons: Skeletons, one: str, other: str) -> None:
    assert skeletons.skeleton(one) == skeletons.skeleton(other)


@pytest.mark.parametrize(("one", "other"), [("anna", "ana"), ("admin", "admin2"), ("Émile", "Emile"), ("иван", "ivan")])
def test_other_names_have_other_skeletons(skeletons: Skeletons, one: str, other: str) -> None:
    assert skeletons.skeleton(one) != skeletons.skeleton(other)
