"""Other papers: STILTs or multi-task (2022), fusing (2022), intermediate tasks (2020)."""

from collections.abc import Sequence

import numpy as np

from hubbot.gains.analysis.correlation import correlate
from hubbot.gains.analysis.papers.claims import (
    Claim,
    numeric,
    only_here,
    stated,
    without_data,
)
from hubbot.gains.analysis.papers.tables import paper_table

_WELLER = "Weller 2022"
_FUSING = "Choshen 2022 (fusing)"
_PRUKSACHATKUN = "Pruksachatkun 2020"
_GROUPS = ("general", "nli", "twitter")


def transfer_claims() -> list[Claim]:
    """Recompute the claims of the three papers."""
    return [*_weller_claims(), *_fusing_claims(), *_pruksachatkun_claims()]


def _glue() -> dict[str, dict[str, float]]:
    """Scores of Table 1 by approach and data set, points."""
    table = paper_table(
        "weller_table1_table2_glue.csv",
        text=("approach", "row_ok"),
    )
    names = [n for n in table.numbers if n not in ("table", "mean", "mean_recomputed")]
    return {
        approach: {name: float(table.numbers[name][i]) for name in names}
        for i, approach in enumerate(table.text["approach"])
        if table.numbers["table"][i] == 1
    }


def _weller_claims() -> list[Claim]:
    scores = _glue()
    sizes = paper_table("weller_table5_glue_sizes.csv", text=("dataset",))
    size = dict(zip(sizes.text["dataset"], sizes.numbers["n_train"], strict=True))
    stilts, mtl, both, everything = (
        scores[name] for name in ("avg_stilts", "avg_mtl", "avg_sh", "mtl_all")
    )
    difference = np.mean(list(both.values())) - np.mean(list(everything.values()))
    worse = [name for name in mtl if max(stilts[name], mtl[name]) <= everything[name]]
    alone = [name for name in mtl if stilts[name] <= everything[name]]
    where = f"{_WELLER}, Tables 1 and 5"
    return [
        without_data(
            "the size heuristic is right on 49 of 53 significant cells",
            f"{_WELLER}, 3",
            "49 of 53 (92.5 %)",
            f"49 of 53 is {100 * 49 / 53:.1f} %, as printed, but the matrix of pairs is an image",
        ),
        numeric(
            "largest task (MNLI): the heuristic always says STILTs, so both columns agree",
            where,
            stilts["mnli"],
            both["mnli"],
            digits=1,
            note=f"largest by training rows: {max(size, key=lambda name: size[name])}",
        ),
        numeric(
            "smallest task (WNLI): the heuristic always says MTL, so both columns agree",
            where,
            mtl["wnli"],
            both["wnli"],
            digits=1,
            note=f"smallest by training rows: {min(size, key=lambda name: size[name])}",
        ),
        numeric(
            "gain of the size heuristic over MTL of all tasks, mean of nine",
            f"{_WELLER}, 3",
            5.0,
            float(difference),
            digits=1,
        ),
        stated(
            "average pairwise transfer beats MTL of all tasks on every task but RTE",
            f"{_WELLER}, 3",
            "all but rte",
            f"all but {', '.join(worse)}",
            "agrees" if worse == ["rte"] else "differs",
            note="better of average STILTs and average MTL; STILTs alone lose on "
            f"{', '.join(alone)}",
        ),
        _size_sign_claim(stilts, mtl, size, where),
    ]


def _size_sign_claim(
    stilts: dict[str, float], mtl: dict[str, float], size: dict[str, float], where: str
) -> Claim:
    right, wrong, open_ = [], [], []
    for name in mtl:
        larger = sum(other > size[name] for other in size.values())
        smaller = len(size) - 1 - larger
        gain = round(mtl[name] - stilts[name], 1)
        told = f"{name} {gain:+.1f} ({larger} of {len(size) - 1} larger)"
        if gain == 0 or larger == smaller:
            open_.append(told)
        elif (gain > 0) == (larger > smaller):
            right.append(told)
        else:
            wrong.append(told)
    return only_here(
        "MTL beats STILTs on average where most supporting tasks are larger than the target",
        where,
        f"{len(right)} of {len(right) + len(wrong)} tasks",
        note="sign of average MTL minus average STILTs against whether most of the other eight "
        f"tasks are larger. Right: {', '.join(right)}; wrong: {', '.join(wrong)}; undecided: "
        f"{', '.join(open_)}",
    )


def _fusing_claims() -> list[Claim]:
    table = paper_table("fusing_table1_accuracy.csv", text=("method", "source_group"))
    decay = paper_table("fusing_table2_weight_decay.csv", text=("setting",)).numbers
    rows = list(zip(table.text["method"], table.text["source_group"], strict=True))
    score = {
        row: {name: float(table.numbers[name][i]) for name in (*_GROUPS, "average")}
        for i, row in enumerate(rows)
    }
    plain = score["pretrain", ""]
    better = [group for group in _GROUPS if score["fuse", group]["average"] > plain["average"]]
    best = {
        target: max(_GROUPS, key=lambda source: score["intertrain", source][target])
        for target in _GROUPS
    }
    gain = decay["intertrain"] - decay["pretrain"]
    fused = decay["fuse"] - decay["pretrain"]
    on_twitter = ", ".join(f"{score['fuse', group]['twitter']:.2f}" for group in _GROUPS)
    return [
        _average_claim("fusing_table1_accuracy.csv", "Table 1"),
        _average_claim("fusing_table3_std.csv", "Table 3"),
        numeric(
            "accuracy of pretrained T5 on General is the same in Tables 1 and 2",
            f"{_FUSING}, Tables 1 and 2",
            plain["general"],
            float(decay["pretrain"][0]),
            digits=2,
            note="the two tables of the paper differ; published is Table 1, recomputed Table 2",
        ),
        stated(
            "fusing is consistently better than pretraining on average",
            f"{_FUSING}, 4, Table 1",
            "consistently",
            f"{len(better)} of {len(_GROUPS)} groups of sources",
            "agrees" if len(better) == len(_GROUPS) else "partly",
            note=f"better with {' and '.join(better)} sources; Twitter sources average "
            f"{score['fuse', 'twitter']['average']:.2f} against {plain['average']:.2f}; on Twitter "
            f"targets all three ({on_twitter}) are below {plain['twitter']:.2f}",
        ),
        stated(
            "intertraining is best from the group of the target",
            f"{_FUSING}, Table 1",
            "the most similar group",
            "; ".join(f"{target}: {source}" for target, source in best.items()),
            "agrees" if all(best[name] == name for name in _GROUPS) else "differs",
        ),
        only_here(
            "gain of intertraining without weight decay, General",
            f"{_FUSING}, Table 2",
            float(gain[0]),
            note=f"with decay {gain[1]:.2f}; fusing gains {fused[0]:.2f} without and "
            f"{fused[1]:.2f} with decay",
        ),
    ]


def _average_claim(file: str, where: str) -> Claim:
    table = paper_table(file, text=("method", "source_group"))
    means = np.mean([table.numbers[name] for name in _GROUPS], axis=0)
    off = np.abs(means - table.numbers["average"])
    within = int(np.sum(off <= 0.01))
    return stated(
        f"averages of {where} equal the means of their three columns",
        f"{_FUSING}, {where}",
        f"{len(off)} rows",
        f"{within} of {len(off)} within 0.01",
        "agrees" if within == len(off) else "differs",
        note=f"largest difference {off.max():.4f}",
    )


def _pruksachatkun_claims() -> list[Claim]:
    deltas = paper_table("pruksachatkun_fig2_deltas.csv", text=("task", "kind"))
    kinds = deltas.text["kind"]
    tasks = [name for name in deltas.numbers if name != "baseline"]
    rows = [i for i, kind in enumerate(kinds) if kind == "target"]
    printed = _average_row(kinds)
    gains = np.array([[deltas.numbers[name][i] for name in tasks] for i in rows])
    targets = [deltas.text["task"][i] for i in rows]
    mean = {name: float(value) for name, value in zip(tasks, gains.mean(axis=0), strict=True)}
    off = np.array([abs(mean[name] - deltas.numbers[name][printed]) for name in tasks])
    return [
        stated(
            "row Avg. Target equals the mean of the ten target rows",
            f"{_PRUKSACHATKUN}, Figure 2",
            f"{len(tasks)} columns",
            f"largest difference {off.max():.3f}",
            "agrees" if off.max() <= 0.1 else "differs",
            note="cells and averages are printed to 0.1",
        ),
        _negative_claim(tasks, targets, gains),
        _cb_claim(
            deltas.numbers["baseline"][rows[targets.index("cb")]], gains[targets.index("cb")]
        ),
        only_here(
            "intermediate tasks with a positive mean gain over the targets",
            f"{_PRUKSACHATKUN}, Figure 2",
            f"{sum(value > 0 for value in mean.values())} of {len(mean)}",
            note=", ".join(
                f"{name} {mean[name]:+.1f}" for name in sorted(mean, key=lambda n: -mean[n])
            ),
        ),
        _intermediate_size_claim(mean),
    ]


def _average_row(kinds: Sequence[str]) -> int:
    return next(i for i, kind in enumerate(kinds) if kind not in ("target", "probing"))


def _negative_claim(tasks: Sequence[str], targets: Sequence[str], gains: np.ndarray) -> Claim:
    named = ("socialiqa", "ccg", "qqp")
    helped = {
        name: [
            f"{target} {value:+.1f}"
            for target, value in zip(targets, gains[:, tasks.index(name)], strict=True)
            if value > 0
        ]
        for name in named
    }
    negative = [name for name in named if not helped[name]]
    exceptions = [f"{name} has {', '.join(cells)}" for name, cells in helped.items() if cells]
    return stated(
        "SocialIQA, CCG and QQP transfer negatively to all targets",
        f"{_PRUKSACHATKUN}, 4.1",
        "all three",
        ", ".join(negative),
        "agrees" if not exceptions else "partly",
        note="; ".join(exceptions) + " in the same figure",
    )


def _cb_claim(baseline: float, gains: np.ndarray) -> Claim:
    return stated(
        "no positive transfer to CommitmentBank",
        f"{_PRUKSACHATKUN}, 4.1",
        "none",
        f"greatest gain {gains.max():+.1f}",
        "agrees" if gains.max() <= 0 else "differs",
        note=f"the text gives the baseline as 100 %, the figure as {baseline:.1f}",
    )


def _intermediate_size_claim(mean: dict[str, float]) -> Claim:
    table = paper_table(
        "pruksachatkun_table1_tasks.csv", text=("task", "role"), numbers=("n_train",)
    )
    size = {
        name: value
        for name, role, value in zip(
            table.text["task"], table.text["role"], table.numbers["n_train"], strict=True
        )
        if role == "intermediate"
    }
    found = correlate(np.array([size[name] for name in mean]), np.array(list(mean.values())))
    assert found.spearman is not None  # noqa: S101  (eleven different sizes)
    assert found.spearman_p is not None  # noqa: S101
    return stated(
        "no consistent effect of the intermediate task's size",
        f"{_PRUKSACHATKUN}, 4.1, App. B",
        "none",
        f"Spearman {found.spearman:+.2f}, p = {found.spearman_p:.2f}",
        "agrees" if found.spearman_p > 0.05 else "differs",
        note=f"size and mean gain over the {found.n} tasks; the paper varied the size of five "
        "tasks instead (Figure 6, an image)",
    )
