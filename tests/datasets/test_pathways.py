"""Prior knowledge as edges: invariants against plain sets, readers against rdata, controls that keep degrees."""

import bz2
import gzip
import itertools
import lzma
import re
import struct
from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest
import rdata
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from gi_lib.cohorts import load_cohort
from gi_lib.datasets.pathways import (
    GO_FILE,
    MAPMAN_FILE,
    PATHWAYS,
    REGULATORS_FILE,
    THIN_GO,
    UNANNOTATED,
    Edges,
    chain,
    connect,
    dense,
    load_pathways,
    random_pathways,
    read_go,
    read_mapman,
    read_regulators,
    resolve_pathways,
    rewire,
    simulated_pathways,
)
from gi_lib.datasets.r_data import read_rda
from gi_lib.datasets.registry import DataUnavailable

DINAR_FILE = "arabidopsis/AthNodesTEST.txt"


def annotation(pairs) -> pd.DataFrame:
    return pd.DataFrame(list(pairs), columns=["gene", "pathway"], dtype=str)


def edges_from(pairs: set[tuple[int, int]], n_sources: int, n_targets: int) -> Edges:
    """Edges from (target, source) pairs."""
    ordered = sorted(pairs)
    return Edges(
        np.array([s for _, s in ordered], int),
        np.array([t for t, _ in ordered], int),
        [f"g{i}" for i in range(n_sources)],
        [f"p{i}" for i in range(n_targets)],
    )


def pairs_of(edges: Edges) -> set[tuple[int, int]]:
    pairs = list(zip(edges.target.tolist(), edges.source.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    assert pairs == sorted(pairs)
    return set(pairs)


def degrees(edges: Edges) -> tuple[Counter, Counter]:
    return Counter(edges.source.tolist()), Counter(edges.target.tolist())


def like_the_paper(n_genes: int = 27_655, n_pathways: int = 1_272, seed: int = 0) -> Edges:
    """72 % of the genes in one or two pathways of uneven sizes, the others in the dummy."""
    rng = np.random.default_rng(seed)
    annotated = rng.permutation(n_genes)[: round(0.72 * n_genes)]
    gene = np.append(annotated, annotated[rng.random(len(annotated)) < 0.15])
    popularity = rng.pareto(1.5, n_pathways) + 0.1
    pathway = rng.choice(n_pathways, len(gene), p=popularity / popularity.sum())
    genes = np.char.mod("g%05d", np.arange(n_genes))
    return connect(genes, pd.DataFrame({"gene": genes[gene], "pathway": np.char.mod("p%04d", pathway)}))


@st.composite
def graphs(draw, max_units: int = 9) -> Edges:
    n_sources, n_targets = draw(st.integers(0, max_units)), draw(st.integers(0, max_units))
    every = list(itertools.product(range(n_targets), range(n_sources)))
    pairs = draw(st.sets(st.sampled_from(every))) if every else set()
    return edges_from(pairs, n_sources, n_targets)


# ------------------------------------------------------------------------------------------------- edges


@given(graphs())
def test_sizes_and_lengths_count_the_edges(edges):
    pairs = pairs_of(edges)
    assert len(edges) == len(pairs)
    assert edges.sizes().tolist() == [sum(t == target for t, _ in pairs) for target in range(edges.n_targets)]
    assert edges.source.dtype == edges.target.dtype == np.int64
    assert edges.source_names.dtype.kind == edges.target_names.dtype.kind == "U"


@given(graphs(4), graphs(4))
def test_equality_is_by_content(one, other):
    def content(edges):
        return pairs_of(edges), edges.n_sources, edges.n_targets  # names follow from the numbers here

    assert (one == other) == (content(one) == content(other))
    assert one == Edges(one.source, one.target, one.source_names, one.target_names)
    assert one != "edges"


def test_one_name_makes_a_difference_and_there_is_no_hash():
    edges = edges_from({(0, 0)}, 2, 1)
    assert edges != Edges(edges.source, edges.target, ["g0", "other"], edges.target_names)
    assert edges != Edges(edges.source, edges.target, edges.source_names, ["other"])
    with pytest.raises(TypeError, match="unhashable"):
        hash(edges)


def test_edges_do_not_change_with_the_arrays_they_were_made_from():
    source, names = np.array([0, 1]), np.array(["a", "b"])
    edges = Edges(source, [0, 0], names, ["p"])
    source[0], names[0] = 1, "c"
    assert (edges.source.tolist(), edges.source_names.tolist()) == ([0, 1], ["a", "b"])
    with pytest.raises(AttributeError):
        edges.source = source


@pytest.mark.parametrize(
    ("source", "target", "source_names", "target_names", "sentence"),
    [
        (
            [0, 2],
            [0, 0],
            ["a", "b"],
            ["p"],
            "The source of edge 1 is 2; with 2 source names, allowed are 0 to 1.",
        ),
        (
            [0, 1],
            [0, -1],
            ["a", "b"],
            ["p"],
            "The target of edge 1 is -1; with 1 target names, allowed are 0 to 0.",
        ),
        ([0], [0, 0], ["a", "b"], ["p"], "There are 1 sources of edges but 2 targets."),
        (
            [1, 0],
            [0, 0],
            ["a", "b"],
            ["p"],
            "Edge 1, from 0 to 0, is out of order: edges are sorted by target",
        ),
        ([0, 0], [1, 0], ["a", "b"], ["p", "q"], "Edge 1, from 0 to 0, is out of order"),
        ([0, 1, 1], [0, 0, 0], ["a", "b"], ["p"], "Edge 2, from 1 to 0, occurs twice."),
        ([0], [0], ["a", "a"], ["p"], "The source name 'a' occurs more than once."),
        ([0], [0], ["a"], ["p", "q", "q"], "The target name 'q' occurs more than once."),
        (
            [0.0],
            [0],
            ["a"],
            ["p"],
            "The source of the edges has shape (1,) and type float64; needed are whole num",
        ),
        ([0], [[0]], ["a"], ["p"], "The target of the edges has shape (1, 1)"),
        ([0], [0], [["a"]], ["p"], "The source names have shape (1, 1); needed is one dimension."),
    ],
)
def test_faulty_edges_are_refused(source, target, source_names, target_names, sentence):
    with pytest.raises(ValueError) as refusal:
        Edges(source, target, source_names, target_names)
    assert str(refusal.value).startswith(sentence)
    assert "\n" not in str(refusal.value)


# ----------------------------------------------------------------------------------------------- connect


def plain_connect(genes, rows, min_genes, max_genes, distinct, dummy) -> dict[str, set[str]]:
    """Pathway -> genes, by sets and loops."""
    whole, given_genes = defaultdict(set), defaultdict(set)
    for gene, pathway in rows:
        whole[pathway].add(gene)
        if gene in genes:
            given_genes[pathway].add(gene)
    kept = {}
    for pathway in sorted(given_genes, key=lambda name: (len(whole[name]), name)):
        members = given_genes[pathway]
        if not min_genes <= len(members) <= (max_genes or len(genes)):
            continue
        if not (distinct and members in kept.values()):
            kept[pathway] = members
    if kept and dummy and (left_over := set(genes) - set().union(*kept.values())):
        kept[UNANNOTATED] = left_over
    return kept


@settings(deadline=None)
@given(
    genes=st.lists(st.sampled_from("abcdefgh"), unique=True),
    rows=st.lists(st.tuples(st.sampled_from("abcdefghxyz"), st.sampled_from("PQRSTUV")), max_size=40),
    min_genes=st.integers(1, 4),
    above=st.none() | st.integers(0, 4),
    distinct=st.booleans(),
    dummy=st.booleans(),
)
def test_connect_is_what_sets_and_loops_make(genes, rows, min_genes, above, distinct, dummy):
    max_genes = None if above is None else min_genes + above
    options = {"min_genes": min_genes, "max_genes": max_genes, "distinct": distinct, "dummy": dummy}
    expected = plain_connect(genes, rows, **options)
    if not expected:
        with pytest.raises(ValueError) as refusal:
            connect(genes, annotation(rows), **options)
        assert "\n" not in str(refusal.value)
        return
    edges = connect(genes, annotation(rows), **options)
    pairs_of(edges)
    found = defaultdict(set)
    for source, target in zip(edges.source, edges.target, strict=True):
        found[str(edges.target_names[target])].add(str(edges.source_names[source]))
    assert found == expected
    assert edges.source_names.tolist() == genes  # in the order of the cohort, annotated or not
    pathway_names = sorted(set(expected) - {UNANNOTATED})
    assert edges.target_names.tolist() == pathway_names + [UNANNOTATED] * (UNANNOTATED in expected)


def test_the_dummy_is_outside_the_size_limits_and_only_there_when_needed():
    rows = annotation([("a", "P"), ("b", "P")])
    edges = connect(["x", "a", "y", "b", "z"], rows, max_genes=2)
    assert edges.target_names.tolist() == ["P", UNANNOTATED]
    assert edges.sizes().tolist() == [2, 3]
    assert connect(["a", "b"], rows).target_names.tolist() == ["P"]
    assert connect(["a", "b", "x"], rows, dummy=False).sizes().tolist() == [2]


def test_of_pathways_with_the_same_genes_the_most_specific_is_kept():
    child, parent, root = (
        [("a", "Z"), ("b", "Z")],
        [("a", "M"), ("b", "M"), ("x", "M")],
        [(g, "A") for g in "abxy"],
    )
    rows = annotation(child + parent + root)
    assert connect(["a", "b"], rows, distinct=True).target_names.tolist() == ["Z"]
    # With x among the genes the two upper ones are alike, and differ from the lowest.
    assert connect(["a", "b", "x"], rows, distinct=True).target_names.tolist() == ["M", "Z"]


@pytest.mark.parametrize(
    ("genes", "rows", "options", "sentence"),
    [
        (
            ["AT1", "AT2"],
            [("at1", "P")],
            {},
            "None of the 2 genes (AT1, AT2, ...) is in the annotation (at1, ...)",
        ),
        ([], [("a", "P")], {}, "None of the 0 genes"),
        (["a", "a"], [("a", "P")], {}, "The gene name 'a' occurs more than once."),
        (
            ["a", "b"],
            [("a", "P")],
            {"min_genes": 2},
            "No pathway has 2 to 2 of the given genes; they have 1 to 1.",
        ),
        (["a"], [("a", "P")], {"min_genes": 0}, "min_genes is 0; allowed are whole numbers from 1 upwards."),
        (["a"], [("a", "P")], {"max_genes": 1.5}, "max_genes is 1.5; allowed"),
        (["a"], [("a", "P")], {"min_genes": None}, "min_genes is None; allowed"),
        (
            ["a"],
            [("a", "P")],
            {"min_genes": 3, "max_genes": 2},
            "max_genes is 2, below min_genes, which is 3.",
        ),
        (["a", "b"], [("a", UNANNOTATED)], {}, "A pathway is called 'unannotated' as the dummy pathway is"),
        (["a"], [], {}, "The annotation has no rows."),
    ],
)
def test_connect_refuses(genes, rows, options, sentence):
    with pytest.raises(ValueError) as refusal:
        connect(genes, annotation(rows), **options)
    assert str(refusal.value).startswith(sentence)


def test_connect_refuses_other_tables():
    with pytest.raises(ValueError, match="The annotation has no column 'pathway'; it has gene, term"):
        connect(["a"], pd.DataFrame({"gene": ["a"], "term": ["P"]}))
    with pytest.raises(ValueError, match="The annotation has a row without a pathway"):
        connect(["a"], pd.DataFrame({"gene": ["a", "a"], "pathway": ["P", None]}))


# ------------------------------------------------------------------------------------------------- chain


def test_layers_that_fit_are_returned_and_others_are_named():
    regulated = connect(["a", "b", "c"], annotation([("a", "b"), ("b", "c")]))  # b regulates a, c regulates b
    assert regulated.target_names.tolist() == ["b", "c", UNANNOTATED]
    pathway = connect(regulated.target_names, annotation([("b", "P"), ("c", "P")]))
    assert pathway.target_names.tolist() == ["P", UNANNOTATED]  # the dummy of one feeds the dummy of the next
    assert chain(regulated, pathway) == (regulated, pathway)
    assert chain(regulated) == (regulated,)
    with pytest.raises(
        ValueError, match=r"Layers 1 and 2 do not fit: layer 1 ends in 2 units, but .* begins with 3"
    ):
        chain(pathway, regulated)
    turned = connect(["c", "b", UNANNOTATED], annotation([("b", "P"), ("c", "P")]))
    with pytest.raises(ValueError, match=r"Layers 1 and 2 .* 'b' at place 0, where the next begins with 'c'"):
        chain(regulated, turned)
    with pytest.raises(ValueError, match="Layers 2 and 3 do not fit"):
        chain(regulated, pathway, pathway)
    with pytest.raises(ValueError, match="There is no layer"):
        chain()


# ---------------------------------------------------------------------------------------------- controls


@settings(deadline=None)
@given(graphs(), st.floats(0, 1), st.integers(0, 2**32))
def test_rewiring_keeps_all_degrees(edges, share, seed):
    result = rewire(edges, share, seed)
    pairs_of(result)  # sorted, no duplicates
    assert degrees(result) == degrees(edges)
    assert result.source_names.tolist() == edges.source_names.tolist()
    assert result.target_names.tolist() == edges.target_names.tolist()
    # No more edges are new than were asked for.
    assert len(pairs_of(result) - pairs_of(edges)) <= round(share * len(edges))
    assert rewire(edges, share, seed) == result


@given(graphs())
def test_a_share_of_nothing_changes_nothing(edges):
    assert rewire(edges, 0) == edges


@pytest.fixture(scope="module")
def paper_like() -> Edges:
    edges = like_the_paper()
    assert edges.target_names[-1] == UNANNOTATED
    assert edges.sizes()[-1] > len(edges) / 5  # one target with very many edges, as in the paper
    return edges


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 1.0])
def test_the_share_of_edges_that_are_left_is_the_one_asked_for(paper_like, share):
    result = rewire(paper_like, share, seed=3)
    assert degrees(result) == degrees(paper_like)
    left = len(pairs_of(result) & pairs_of(paper_like))
    # On a sparse graph every chosen edge finds a partner; one may be without where their number is odd.
    assert abs(left - (len(paper_like) - round(share * len(paper_like)))) <= 2
    assert rewire(paper_like, share, seed=4) != result


def plain_rewire(edges: Edges, seed: int) -> set[tuple[int, int]]:
    """Swap the targets of two edges at a time; every edge is offered about 16 swaps."""
    original = pairs_of(edges)
    now = sorted(original)
    taken = original | set(now)  # what was once, or is at present
    for i, j in np.random.default_rng(seed).integers(0, len(now), (8 * len(now), 2)).tolist():
        (t, s), (u, r) = now[i], now[j]
        if t != u and s != r and (u, s) not in taken and (t, r) not in taken:
            taken -= {now[i], now[j]} - original
            now[i], now[j] = (u, s), (t, r)
            taken |= {now[i], now[j]}
    return set(now)


def test_edges_are_mixed_as_by_swapping_one_pair_at_a_time():
    """Two rewirings share edges by chance, most of them of the large dummy; so do two plain ones."""
    edges = like_the_paper(4_000, 200)
    fast = [
        len(pairs_of(rewire(edges, 1.0, seed)) & pairs_of(rewire(edges, 1.0, seed + 1))) for seed in (1, 3)
    ]
    plain = [len(plain_rewire(edges, seed) & plain_rewire(edges, seed + 1)) for seed in (1, 3)]
    assert np.mean(plain) > 400
    # About 500 shared edges: a standard deviation of some 4 % each, 3 % of a mean of two.
    assert np.mean(fast) == pytest.approx(np.mean(plain), rel=0.12)


def test_every_possible_rewiring_of_a_small_graph_comes_up_equally_often():
    """Four genes with one pathway each: possible are the nine permutations without a fixed point."""
    edges = edges_from({(i, i) for i in range(4)}, 4, 4)
    found = Counter(tuple(rewire(edges, 1.0, seed).source.tolist()) for seed in range(270))
    possible = {
        order for order in itertools.permutations(range(4)) if all(i != x for i, x in enumerate(order))
    }
    assert set(found) == possible
    assert chisquare(list(found.values())).pvalue > 1e-3


def test_a_graph_without_room_comes_back_and_rewiring_ends():
    full = dense(edges_from(set(), 30, 20))
    assert rewire(full) == full
    star = edges_from({(0, i) for i in range(50)}, 50, 1)  # every swap of two edges changes nothing
    assert rewire(star) == star
    assert rewire(edges_from({(0, 0)}, 1, 1)) == edges_from({(0, 0)}, 1, 1)
    # One target has 60 of 80 edges; its sources can only be replaced by the 20 others.
    crowded = edges_from({(0, i) for i in range(60)} | {(1 + i % 4, 60 + i) for i in range(20)}, 80, 5)
    result = rewire(crowded)
    assert degrees(result) == degrees(crowded)
    assert len(pairs_of(result) & pairs_of(crowded)) == 40


@settings(deadline=None)
@given(graphs(), st.integers(0, 2**32))
def test_random_pathways_keep_sizes(edges, seed):
    result = random_pathways(edges, seed)
    pairs_of(result)
    assert result.sizes().tolist() == edges.sizes().tolist()
    assert result.source_names.tolist() == edges.source_names.tolist()
    assert result.target_names.tolist() == edges.target_names.tolist()
    assert random_pathways(edges, seed) == result


def test_random_pathways_draw_every_gene_equally_often():
    edges = edges_from({(t, s) for t in range(3_000) for s in range(3)}, 20, 3_000)
    count = np.bincount(random_pathways(edges, seed=1).source, minlength=20)
    # Binomial: 3,000 draws with 3 of 20 each.
    expected, deviation = 450, np.sqrt(3_000 * 0.15 * 0.85)
    assert (np.abs(count - expected) < 4.5 * deviation).all()
    assert random_pathways(edges, seed=1) != random_pathways(edges, seed=2)


@given(graphs(6))
def test_dense_connects_everything(edges):
    assert pairs_of(dense(edges)) == set(itertools.product(range(edges.n_targets), range(edges.n_sources)))


@pytest.mark.parametrize("share", [-0.1, 1.1, np.nan, "0.5", True, None])
def test_a_share_outside_zero_and_one_is_refused(share):
    with pytest.raises(ValueError, match=r"share is .*; allowed are numbers from 0 to 1"):
        rewire(edges_from(set(), 1, 1), share)


@pytest.mark.parametrize("control", [rewire, random_pathways])
@pytest.mark.parametrize("seed", [-1, 1.5, True, None])
def test_a_wrong_seed_is_refused(control, seed):
    with pytest.raises(ValueError, match=r"seed is .*; allowed are whole numbers from 0 upwards"):
        control(edges_from(set(), 1, 1), seed=seed)


# ------------------------------------------------------------------------------------------------ MapMan

MAPMAN = """BINCODE\tNAME\tIDENTIFIER\tDESCRIPTION\tTYPE
'1'\t'PS'\t''\t''\t
'1.1'\t'PS.lightreaction'
'1.1.1'\t'PS.lightreaction.photosystem II'\t''\t''\t
'1.1.1.1'\t'PS.lightreaction.photosystem II.LHC-II'\t'at1g15820'\t'LHCB6 | a 5'-end and a "quote"'\tT
'1.1.1.1'\t'PS.lightreaction.photosystem II.LHC-II'\t'at1g15820.2'\t'another transcript'\tT
'1.1.1.1'\t'PS.lightreaction.photosystem II.LHC-II'\t'at2g05070.1'\t'LHCB2.2'\t'T'
'1.1'\t'PS.lightreaction'\t'atcg00120'\t'it's of the chloroplast'\tT
'2.1'\t'major CHO.EC_1.1 dotted'\t'at2g05070'\t''\tT
'2'\t'major CHO'\t''\t''\t
'2.1'\t'major CHO.EC_1.1 dotted'\t'sucrose'\t'a metabolite'\tM
'35.2'\t'not assigned.unknown'\t'at5g67640'\t''\tT\textra
"""


@pytest.fixture
def mapman(tmp_path):
    path = tmp_path / "mapman.txt"
    path.write_text(MAPMAN)
    return path


def rows_of(table: pd.DataFrame) -> set[tuple[str, str]]:
    assert table.columns.tolist() == ["gene", "pathway"]
    assert not table.duplicated().any()
    assert table.index.tolist() == list(range(len(table)))
    return set(table.itertuples(index=False, name=None))


def test_mapman_genes_are_in_their_own_bins(mapman):
    expected = {
        ("AT1G15820", "PS.lightreaction.photosystem II.LHC-II"),
        ("AT2G05070", "PS.lightreaction.photosystem II.LHC-II"),
        ("ATCG00120", "PS.lightreaction"),
        ("AT2G05070", "major CHO.EC_1.1 dotted"),
    }
    assert rows_of(read_mapman(mapman)) == expected
    unknown = {("AT5G67640", "not assigned.unknown")}
    assert rows_of(read_mapman(mapman, not_assigned=True)) == expected | unknown


def test_mapman_levels_follow_the_code_where_a_name_contains_a_dot(mapman):
    assert rows_of(read_mapman(mapman, level=1)) == {
        ("AT1G15820", "PS"),
        ("AT2G05070", "PS"),
        ("ATCG00120", "PS"),
        ("AT2G05070", "major CHO"),
    }
    assert rows_of(read_mapman(mapman, level=2)) == {
        ("AT1G15820", "PS.lightreaction"),
        ("AT2G05070", "PS.lightreaction"),
        ("ATCG00120", "PS.lightreaction"),
        ("AT2G05070", "major CHO.EC_1.1 dotted"),
    }
    assert rows_of(read_mapman(mapman, level=9)) == rows_of(read_mapman(mapman))


def test_mapman_is_read_with_another_line_end_and_byte_order_mark(mapman):
    expected = read_mapman(mapman)
    mapman.write_bytes(b"\xef\xbb\xbf" + MAPMAN.replace("\n", "\r\n").encode())
    pd.testing.assert_frame_equal(read_mapman(mapman), expected)


DINAR = (
    "geneID\torganism\tMapManBin\r\n"
    "AT1G01490\tplant-ath\t15.2_metal handling.binding, chelation and storage | 28.2_DNA.repair\r\n"
    "at1g02890.1\tplant-ath\t28.2_DNA.repair\r\n"
    "AT2G04042\tplant-ath\t-\r\n"
    "AT3G01010\tplant-ath\t35.1.42_not assigned.no ontology.proline rich family | 28.2_DNA.repair\r\n"
    "JA-Ile\tmetabolite\t17.7_hormone metabolism.jasmonate\r\n"
)


def test_dinar_nodes_are_in_several_bins_each(tmp_path):
    path = tmp_path / "nodes.txt"
    path.write_bytes(DINAR.encode())
    expected = {
        ("AT1G01490", "metal handling.binding, chelation and storage"),
        ("AT1G01490", "DNA.repair"),
        ("AT1G02890", "DNA.repair"),
        ("AT3G01010", "DNA.repair"),
    }
    assert rows_of(read_mapman(path)) == expected
    assert len(read_mapman(path, not_assigned=True)) == 5
    assert rows_of(read_mapman(path, level=1)) == {(g, p.split(".")[0]) for g, p in expected}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "m.txt is empty."),
        ("A\tB\n1\t2\n", "m.txt has the columns A, B; needed are BINCODE, NAME, IDENTIFIER and TYPE"),
        ("BINCODE\tNAME\tIDENTIFIER\tTYPE\n", "m.txt has no row of a gene"),
        ("BINCODE\tNAME\tIDENTIFIER\tTYPE\n'1'\t'PS'\t'x'\tM\n", "m.txt has no row of a gene"),
        ("geneID\tMapManBin\nAT1\t-\n", "m.txt has no row of a gene"),
    ],
)
def test_other_tables_are_no_mapman(tmp_path, text, sentence):
    (tmp_path / "m.txt").write_text(text)
    with pytest.raises(ValueError) as refusal:
        read_mapman(tmp_path / "m.txt")
    assert str(refusal.value).startswith(sentence)


@pytest.mark.parametrize("level", [0, -1, 1.5, True, "1"])
def test_a_wrong_level_is_refused(mapman, level):
    with pytest.raises(ValueError, match=r"level is .*; allowed are whole numbers from 1 upwards"):
        read_mapman(mapman, level=level)


@pytest.mark.needs(DINAR_FILE)
def test_the_real_mapman_bins_of_825_nodes(mirror):
    path = mirror / DINAR_FILE
    table = read_mapman(path)
    assert (len(table), table["gene"].nunique(), table["pathway"].nunique()) == (1_295, 672, 324)
    expected = set()
    raw = pd.read_csv(path, sep="\t", keep_default_na=False)
    assert len(raw) == 825
    for gene, kind, bins in zip(raw["geneID"], raw["organism"], raw["MapManBin"], strict=True):
        for entry in bins.split(" | "):
            if entry != "-" and not entry.startswith("35.") and kind != "metabolite":
                expected.add((gene.upper(), entry.split("_", 1)[1]))
    assert rows_of(table) == expected
    assert ("AT1G03970", "RNA.regulation of transcription.bZIP transcription factor family") in expected
    assert read_mapman(path, level=1)["pathway"].nunique() == 32


# -------------------------------------------------------------------------------------------------- R files


def r_text(value: str | None) -> bytes:
    if value is None:
        return struct.pack(">2i", 9, -1)
    raw = value.encode()
    return struct.pack(">2i", 0x00040009, len(raw)) + raw


def r_texts(values, attributes: dict[str, bytes] | None = None) -> bytes:
    flags = 16 | (0x200 if attributes else 0)
    body = struct.pack(">2i", flags, len(values)) + b"".join(map(r_text, values))
    return body + (r_pairs(attributes) if attributes else b"")


def r_pairs(items: dict[str, bytes]) -> bytes:
    nodes = [struct.pack(">2i", 0x402, 1) + r_text(name) + value for name, value in items.items()]
    return b"".join(nodes) + struct.pack(">i", 254)


def r_integers(*values: int) -> bytes:
    return struct.pack(f">{2 + len(values)}i", 13, len(values), *values)


def write_rda(path, objects: dict[str, bytes], compress=bz2.compress):
    header = b"RDX2\nX\n" + struct.pack(">3i", 2, 0x040003, 0x020300)
    path.write_bytes(compress(header + r_pairs(objects)))
    return path


def go_matrix(genes, terms) -> bytes:
    names = struct.pack(">3i", 19, 2, 254) + r_texts(["locus", "GOid"])
    return r_texts([*genes, *terms], {"dim": r_integers(len(genes), 2), "dimnames": names})


def data_frame(columns: dict[str, list[str]]) -> bytes:
    attributes = {
        "names": r_texts(list(columns)),
        "row.names": r_integers(-(2**31), -len(next(iter(columns.values())))),
        "class": r_texts(["data.frame"]),
    }
    vectors = b"".join(r_texts(values) for values in columns.values())
    return struct.pack(">2i", 0x313, len(columns)) + vectors + r_pairs(attributes)


@pytest.mark.parametrize("compress", [bz2.compress, gzip.compress, lzma.compress, bytes])
def test_go_is_read_from_a_matrix_of_two_columns(tmp_path, compress):
    rows = [("AT1G01010", "GO:1"), ("18S RRNA", "GO:2"), ("AT1G01010", "GO:2"), ("AT1G01010", "GO:2")]
    path = write_rda(tmp_path / "go.rda", {"ulg": go_matrix(*zip(*rows, strict=True))}, compress)
    other = np.asarray(rdata.read_rda(path)["ulg"]).reshape(2, -1)  # the file is one that others read
    assert other.T.tolist() == [list(row) for row in rows]
    table = read_go(path)
    assert table.values.tolist() == [list(row) for row in rows[:3]]
    rows_of(table)


EVIDENCE = {
    "from": ["AT9", "AT9", "AT8", "AT8"],
    "to": ["AT1", "AT2", "AT1", "AT1"],
    "type": ["DAPSeq", "CHIPSeq", "DAPSeq", "TARGET"],
}


def test_regulators_are_the_pathways_of_the_genes_they_bind(tmp_path):
    path = write_rda(tmp_path / "edges.rda", {"validated_edges": data_frame(EVIDENCE)})
    other = rdata.read_rda(path)["validated_edges"]
    assert {name: other[name].tolist() for name in other} == EVIDENCE
    assert rows_of(read_regulators(path)) == {("AT1", "AT9"), ("AT2", "AT9"), ("AT1", "AT8")}
    assert rows_of(read_regulators(path, "DAPSeq")) == {("AT1", "AT9"), ("AT1", "AT8")}
    assert rows_of(read_regulators(path, ["CHIPSeq", "TARGET"])) == {("AT2", "AT9"), ("AT1", "AT8")}
    with pytest.raises(ValueError, match="evidence is 'dapseq'; allowed are DAPSeq, CHIPSeq, TARGET"):
        read_regulators(path, ["DAPSeq", "dapseq"])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5), min_size=1
    )
)
def test_character_vectors_are_those_that_rdata_writes(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("r") / "x.rda"
    rdata.write_rda(path, {"x": np.array(values), "y": np.array(["after"])})
    assert read_rda(path, "x")[0].tolist() == values
    assert read_rda(path, "y")[0].tolist() == ["after"]


def test_missing_strings_and_symbols_met_again_are_read(tmp_path):
    again = struct.pack(">i", 1 << 8 | 255)
    pair = struct.pack(">i", 0x402) + again + r_texts(["second"])
    first = struct.pack(">2i", 0x402, 1) + r_text("x") + r_texts(["a", None, "", "bb"])
    path = tmp_path / "x.rda"
    path.write_bytes(b"RDX2\nX\n" + struct.pack(">3i", 2, 0, 0) + first + pair + struct.pack(">i", 254))
    assert read_rda(path, "x")[0].tolist() == ["second"]
    write_rda(path, {"x": r_texts(["a", None, "", "bb"])})
    assert read_rda(path, "x")[0].tolist() == ["a", None, "", "bb"]


GOOD = go_matrix(["AT1G01010", "AT1G01020"], ["GO:1", "GO:22"])


@settings(deadline=None, max_examples=120)
@given(st.data())
def test_damaged_files_get_one_sentence(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged.rda"
    raw = bytearray(write_rda(path, {"ulg": GOOD}, bytes).read_bytes())
    if data.draw(st.booleans()):
        raw = raw[: data.draw(st.integers(0, len(raw) - 1))]
    else:
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    try:
        read_go(path)
    except ValueError as error:
        assert str(error).count(".rda") >= 1
        assert "\n" not in str(error)


@pytest.mark.parametrize("compress", [bz2.compress, gzip.compress, lzma.compress])
def test_half_a_compressed_file_gets_one_sentence(tmp_path, compress):
    path = write_rda(tmp_path / "half.rda", {"ulg": GOOD}, compress)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"half.rda is damaged, or no .rda file of tables of text"):
        read_go(path)


@pytest.mark.parametrize("read", [read_go, read_regulators, read_mapman])
def test_a_file_that_is_not_there_gets_one_sentence(tmp_path, read):
    with pytest.raises(ValueError, match="cannot be read: No such file or directory"):
        read(tmp_path / "absent")


@pytest.mark.parametrize("read", [read_go, read_regulators])
def test_other_objects_are_refused(tmp_path, read):
    path = write_rda(tmp_path / "other.rda", {"x": GOOD})
    with pytest.raises(ValueError, match=r"other.rda holds no object '(ulg|validated_edges)'"):
        read(path)
    flat, frame = r_texts(["a", "b"]), data_frame({"from": ["a"], "to": ["b"]})
    for content in (flat, frame):
        write_rda(path, {"ulg": content, "validated_edges": content})
        with pytest.raises(
            ValueError, match=r"is no matrix of two columns|has not the columns 'from', 'to' and 'type'"
        ):
            read(path)


@pytest.fixture(scope="module")
def go(use_mirror) -> pd.DataFrame:
    with use_mirror(GO_FILE):
        return load_pathways("GO", xr.Dataset())


@pytest.fixture(scope="module")
def regulators(use_mirror) -> pd.DataFrame:
    with use_mirror(REGULATORS_FILE):
        return load_pathways("regulators", xr.Dataset())


def test_the_real_gene_ontology(go):
    assert (len(go), go["gene"].nunique(), go["pathway"].nunique()) == (1_261_119, 31_028, 10_404)
    assert not go.duplicated().any()
    assert go["pathway"].str.fullmatch(r"GO:\d{7}").all()
    is_locus = go["gene"].str.fullmatch(r"AT[1-5CM]G\d{5}")
    assert go["gene"][is_locus].nunique() == 28_987
    # NAC001, a transcription factor: regulation of transcription, and the root that all its terms are under.
    terms = set(go["pathway"][go["gene"] == "AT1G01010"])
    assert {"GO:0006355", "GO:0003700", "GO:0008150"} <= terms


@pytest.mark.slow
def test_the_real_regulators(regulators):
    assert len(regulators) == 2_276_586 - 34_344
    assert (regulators["gene"].nunique(), regulators["pathway"].nunique()) == (32_621, 616)
    assert not regulators.duplicated().any()
    assert regulators.stack().str.fullmatch(r"AT[1-5CM]G\d{5}").all()


@pytest.mark.slow
@pytest.mark.needs(GO_FILE)
def test_the_real_gene_ontology_is_all_the_texts_in_the_file(mirror, go):
    """By searching the bytes: first the genes of all pairs, then their terms; each text after a mark and its length."""
    raw = bz2.decompress((mirror / GO_FILE).read_bytes())
    texts = [text.decode() for text in re.findall(rb"(?s)\0\x04\0\x09\0\0\0.([^\0]+)", raw)]
    begin = texts.index("ulg") + 1
    assert texts[begin : begin + 2 * len(go)] == go["gene"].tolist() + go["pathway"].tolist()


@pytest.mark.slow
@pytest.mark.needs(REGULATORS_FILE)
def test_the_real_regulators_are_all_the_codes_in_the_file(mirror, regulators):
    """By searching the bytes: first the regulators of all edges, then their genes, then the kinds of evidence."""
    raw = bz2.decompress((mirror / REGULATORS_FILE).read_bytes())
    codes = [code.decode() for code in re.findall(rb"AT[1-5CM]G\d{5}", raw)]
    kinds = [kind.decode() for kind in re.findall(rb"DAPSeq|CHIPSeq|TARGET|Litterature", raw)]
    assert (len(codes), len(kinds)) == (2 * 2_276_586, 2_276_586)
    counts = {"DAPSeq": 1_983_037, "CHIPSeq": 206_974, "TARGET": 85_144, "Litterature": 1_431}
    assert Counter(kinds) == counts
    columns = {"gene": codes[2_276_586:], "pathway": codes[:2_276_586], "kind": kinds}
    edges = pd.DataFrame(columns, dtype=regulators["gene"].dtype)
    for found, expected in (
        (regulators, edges),
        (
            read_regulators(mirror / REGULATORS_FILE, ["CHIPSeq", "TARGET"]),
            edges[edges["kind"].isin({"CHIPSeq", "TARGET"})],
        ),
    ):
        expected = expected[["gene", "pathway"]].drop_duplicates(ignore_index=True)
        pd.testing.assert_frame_equal(found, expected)


def test_the_ontology_is_thinned_to_the_size_of_the_paper(go):
    """On every second gene of the genome, about as many as the real cohort has."""
    genes = np.unique(go["gene"][go["gene"].str.fullmatch(r"AT[1-5]G\d{5}")].to_numpy(str))[::2]
    edges = connect(genes, go, **THIN_GO)
    assert 1_000 < edges.n_targets < 1_600
    sizes = edges.sizes()[:-1]
    assert (sizes.min(), sizes.max()) >= (25, 25)
    assert sizes.max() <= 400
    members = np.split(edges.source, np.cumsum(edges.sizes())[:-1])
    assert len({frozenset(genes.tolist()) for genes in members}) == edges.n_targets
    assert 0.65 < 1 - edges.sizes()[-1] / len(genes) < 0.8


@pytest.mark.slow
@pytest.mark.needs("arabidopsis/X_Mix.rda", GO_FILE)
def test_the_ontology_on_the_genes_of_the_real_cohort(mirror, go):
    genes = load_cohort("arabidopsis")["gene"].values
    edges = connect(genes, go, **THIN_GO)
    assert 1_150 < edges.n_targets < 1_400
    assert edges.target_names[-1] == UNANNOTATED
    assert 0.7 < 1 - edges.sizes()[-1] / len(genes) < 0.78


# ----------------------------------------------------------------------------------------------- by name


def knowing_cohort() -> xr.Dataset:
    return xr.Dataset(
        {
            "truth_edge_gene": ("pathway_edge", ["g2", "g0", "g2"]),
            "truth_edge_pathway": ("pathway_edge", ["p1", "p1", "p2"]),
        },
        coords={"gene": ["g0", "g1", "g2"]},
    )


def test_a_simulated_cohort_knows_its_pathways():
    cohort = knowing_cohort()
    for table in (
        simulated_pathways(cohort),
        load_pathways("simulated", cohort),
        load_pathways("auto", cohort),
    ):
        assert rows_of(table) == {("g2", "p1"), ("g0", "p1"), ("g2", "p2")}
    edges = connect(cohort["gene"].values, load_pathways("auto", cohort))
    assert pairs_of(edges) == {(0, 0), (0, 2), (1, 2), (2, 1)}
    assert edges.target_names.tolist() == ["p1", "p2", UNANNOTATED]
    with pytest.raises(ValueError, match="The cohort knows no pathways"):
        load_pathways("simulated", xr.Dataset())


def test_the_pathways_of_the_simulation_are_all_connected():
    cohort = load_cohort("simulated")
    edges = connect(cohort["gene"].values, load_pathways("auto", cohort))
    assert edges.n_sources == cohort.sizes["gene"]
    assert edges.n_targets == cohort.sizes["pathway"] + 1
    assert edges.target_names[:-1].tolist() == cohort["pathway"].values.tolist()
    assert len(edges) == cohort.sizes["pathway_edge"] + edges.sizes()[-1]


def test_an_unknown_name_is_refused_with_the_allowed_ones():
    for call in (resolve_pathways, load_pathways):
        with pytest.raises(ValueError) as refusal:
            call("KEGG", knowing_cohort())
        assert str(refusal.value) == f"pathways is 'KEGG'; allowed are auto, {', '.join(PATHWAYS)}."


def test_without_truth_and_data_there_are_no_pathways():
    with pytest.raises(
        DataUnavailable, match=r"The cohort knows no pathways of its own, and GO, .* cannot be had"
    ):
        load_pathways("auto", xr.Dataset())
    for name in ("GO", "MapMan", "regulators"):
        assert resolve_pathways(name, xr.Dataset()) == name
        with pytest.raises(DataUnavailable) as refusal:
            load_pathways(name, xr.Dataset())
        assert "\n" not in str(refusal.value)


@pytest.mark.needs(GO_FILE)
def test_auto_is_the_gene_ontology_where_the_cohort_knows_nothing(mirror):
    assert resolve_pathways("auto", xr.Dataset()) == "GO"
    assert resolve_pathways("auto", knowing_cohort()) == "simulated"


def test_mapman_is_read_from_where_the_user_has_put_it(tmp_path, monkeypatch):
    path = tmp_path / MAPMAN_FILE
    path.parent.mkdir()
    path.write_text(MAPMAN)
    monkeypatch.setenv("GI_DATA_MIRROR", str(tmp_path))
    monkeypatch.setenv("GI_CACHE_DIR", str(tmp_path / "cache"))
    pd.testing.assert_frame_equal(load_pathways("MapMan", xr.Dataset()), read_mapman(path))
