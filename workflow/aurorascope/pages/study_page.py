"""Write the page of one study: plain HTML beside the study's files, which needs no script, no server and no network."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from aurorascope.files import write_text
from aurorascope.interventions.log import WARNED
from aurorascope.pages.html import STATIC, render
from aurorascope.pages.study_facts import exploratory, facts, meaning, question
from aurorascope.pages.study_tables import divergence_table, exposure_table, response_tables
from aurorascope.studies.finished import FinishedStudy
from aurorascope.studies.pictures import MapPicture, StudyPictures
from aurorascope.studies.wording import field_title, number, outcome_words, several, unit_of

STYLE = "style.css"
_AGAIN = "rm -f results/studies/{0}/record.json && .venv/bin/snakemake results/studies/{0}/index.html --cores 2"
_ORDER = ("perturb", "block", "features", "edit", "region", "dates", "outcomes")
_PARTS = {
    "total": "The whole change", "carry": "Carry, what the output takes over from the input", "backbone": "Backbone, what the blocks do",
}


def write_study_page(study: FinishedStudy, pictures: StudyPictures, results: Path) -> None:
    """Write `index.html` and its styles into the study's folder.

    Args:
        study: a finished study.
        pictures: of it, which lie in its folder.
        results: the results folder; what is there of an atlas is linked.
    """
    links = atlas_links(results, study.blocks)
    outcomes = [
        {
            "name": str(asked["name"]), "what": outcome_words(asked), "unit": unit_of(asked), "word": verdict["word"], "is_first": not at,
            "meaning": meaning(study, verdict["word"]), "facts": facts(study, asked, verdict), "doses": pictures.doses[at],
            "arms": pictures.arms[at], "alt_doses": _alt_doses(asked, verdict), "alt_arms": _alt_arms(asked, verdict),
        }
        for at, (asked, verdict) in enumerate(study.outcomes)
    ]
    page = render(
        "studies/study.html", name=study.name, question=question(study), word=study.record["word"], outcomes=outcomes,
        meaning=meaning(study, study.record["word"]), dates=_dates(study), notices=_notices(study), said=list(study.record.get("said", ())),
        blocks=study.blocks, links=links,
        has_atlas=(results / "atlas" / "index.html").is_file(), maps=_maps(pictures.maps), is_outlined=pictures.is_outlined,
        reach=pictures.reach, changes_inputs=study.changes_inputs, responses=response_tables(study, links), divergence=divergence_table(study),
        exposure=exposure_table(study, links), ran=_ran(study), again=_AGAIN.format(study.name), asked=_file(study),
        files=sorted(Path(each).name for each in study.record["files"]),
    )
    write_style(study.folder)
    page.write(study.folder / "index.html")


def write_style(folder: Path) -> None:
    """Write the styles that a page in `folder` asks for."""
    write_text(folder / STYLE, "".join((STATIC / name).read_text(encoding="utf-8") for name in ("atlas.css", "studies/study.css")))


def atlas_links(results: Path, blocks: Iterable[str]) -> dict[str, str]:
    """From a study's folder to the pages of these blocks in the atlas, as far as they are there."""
    return {block: f"../../atlas/{block}.html" for block in blocks if (results / "atlas" / f"{block}.html").is_file()}


def _dates(study: FinishedStudy) -> str:
    dates = study.record["dates"]
    return f"{several(dates)}, {study.record['hour']:02d} UTC"


def _notices(study: FinishedStudy) -> list[str]:
    """What a reader should know before any number."""
    record, (_, first) = study.record, study.outcomes[0]
    found = [exploratory(first)]
    if record["diverged_at_step"]:
        arms = several([f"{arm} at step {step}" for arm, step in record["diverged_at_step"].items()])
        found.append(f"Forecasts that were not finite: {arms}.")
    largest = max((row.get("norms_max") or 0 for row in first["doses"]), default=0)
    if largest > WARNED:
        found.append(f"A token is moved by {number(largest)} times its norm: the model's norms leave no such response linear.")
    return [each for each in found if each]


def _ran(study: FinishedStudy) -> list[tuple[str, str]]:
    """What ran, and what could not."""
    record = study.record
    found = [("Forwards", str(record["n_forwards"])), ("Forecast steps", _steps(study))]
    absent = record["absent_arms"]
    words = [f"{arm.replace('_', ' ')}: {why}" for arm, why in absent.items()] if isinstance(absent, Mapping) else [each.replace("_", " ") for each in absent]
    found.append(("Arms that could not be made", "; ".join(words) or "none"))
    if study.changes_inputs:
        seen = [f"{date}: {number(100 * share)} %" for date, share in record["exposure"].items()]
        found.append(("Share of the changed area where the encoder sees more of the change than its logarithm", "; ".join(seen)))
    else:
        asks = "the edit asks for none"
        found.append(("Quiet dates, which say what features usually are", several(record["quiet_dates"]) if record["quiet_dates"] else asks))
        found.append(("Atlas", _atlas(record.get("atlas", {"is_used": False}))))
    return found


def _steps(study: FinishedStudy) -> str:
    words = f"{study.steps} of 12 hours{', of which the last is looked at' if study.steps > 1 else ''}"
    edited = study.asked.get("edit_steps")
    return f"{words}; the edit is made in step{'s' if len(edited) > 1 else ''} {several([str(each + 1) for each in edited])}" if edited else words


def _atlas(note: Mapping[str, Any]) -> str:
    if not note["is_used"]:
        return f"not used: {note.get('why', 'not known why')}"
    labels = several(note["labels"]) if note.get("labels") else "none"
    return f"labels of the edited features: {labels}; {note.get('n_labelled_same', 0)} features with one of these were no controls"


def _file(study: FinishedStudy) -> str:
    """The study's file as it can be written again, what a reader looks for first; the record does not say whether the file had the last keys."""
    ordered = {key: study.asked[key] for key in (*_ORDER, *sorted(study.asked)) if key in study.asked}
    taken = {"hour": study.record["hour"]} | ({"quiet_dates": study.record["quiet_dates"]} if study.record["quiet_dates"] else {})
    texts = [yaml.safe_dump(each, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100) for each in (ordered, taken)]
    return "# Filled in by the run where the file does not say it:\n".join(texts)


def _alt_doses(asked: Mapping[str, Any], verdict: Mapping[str, Any]) -> str:
    doses = "; ".join(f"{number(row['dose'])}: {number(row['effect'])}" for row in verdict["doses"])
    return f"Effect on {asked['name']} in {unit_of(asked)} by dose: {doses}. Floor {number(verdict['floor'])}."


def _alt_arms(asked: Mapping[str, Any], verdict: Mapping[str, Any]) -> str:
    others = "".join(f" {name.removesuffix('_1').replace('_', ' ')} {number(value)}." for name, value in verdict["arms"].items())
    bar = f"95 % of controls stay within {number(verdict['controls_95'])}" if verdict["controls_95"] is not None else "There are no controls"
    return f"Effect on {asked['name']} in {unit_of(asked)}: at dose 1 {number(verdict['effect'])}. {bar}.{others}"


def _maps(maps: Sequence[MapPicture]) -> list[dict[str, Any]]:
    """Maps by field: means of all parts, then dates."""
    found: dict[str, dict[str, Any]] = {}
    has_parts = {each.field for each in maps if each.part != "total"}
    for each in maps:
        title = field_title(each.field)
        field = found.setdefault(each.field, {"title": title, "means": [], "dates": []})
        when = each.date or (f"mean over {each.n_dates} dates" if each.n_dates > 1 else "one date")
        place = f"at {number(abs(each.at[0]))}° {'N' if each.at[0] >= 0 else 'S'}, {number(each.at[1])}° E"
        most = f"largest {number(each.largest)} {each.units} {place}" if each.largest else "no change anywhere"
        shown = each.date or (_PARTS[each.part] if each.field in has_parts else f"{when[0].upper()}{when[1:]}")
        caption = f"{shown}: {most}."
        if each.n_cells > 1:
            caption += f" Means of squares of {each.n_cells} × {each.n_cells} cells are drawn."
        alt = f"Map of the change of {title}, {each.part}, {when}: {most}."
        field["dates" if each.date else "means"].append({"name": each.name, "caption": caption, "alt": alt})
        field.setdefault("when", when)
    return list(found.values())
