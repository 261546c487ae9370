"""The same five variants in the words of every annotator: the counts are the same, whoever annotated the file."""

import pytest

from gi_lib.encoding import EncodingError, Settings, count_variants

# position, REF, ALT, calls of s1, s2, s3
VARIANTS = [
    (100, "A", "T", "1|1 0|0 1|1"),  # changes an amino acid of G1
    (110, "A", "AT", "0|0 1|1 0|0"),  # shifts its frame
    (200, "C", "T", "1|1 1|1 1|1"),  # changes nothing in its protein
    (300, "G", "C", "1|1 0|0 0|0"),  # in its intron
    (5000, "G", "A", "0|0 0|0 1|1"),  # 200 base pairs upstream of G2
]
EXPECTED = {
    ("G1", "nonsynonymous"): [1, 0, 1],
    ("G1", "frameshift insertion"): [0, 1, 0],
    ("G1", "intronic"): [1, 0, 0],
    ("G2", "upstream"): [0, 0, 1],
}


def eff(term, change, gene):
    return f"EFF={term}(LOW|X|{change}|A5V|594|{gene}|protein_coding|CODING|{gene}.1|1|1)"


def csq(allele, term, gene, distance=""):
    return f"CSQ={allele}|{term}|{gene}|name|protein_coding|{distance}"


def annovar(func, gene, detail=".", exonic=".", change="."):
    keys = {"Func": func, "Gene": gene, "GeneDetail": detail, "ExonicFunc": exonic, "AAChange": change}
    return "ANNOVAR_DATE=2020-06-08;" + "".join(f"{k}.refGene={v};" for k, v in keys.items()) + "ALLELE_END"


INFO = {
    "EFF": (
        "EFF",
        [
            eff("missense_variant", "gAt/gTt", "G1"),
            eff("frameshift_variant", "-/T", "G1"),
            eff("synonymous_variant", "gcC/gcT", "G1"),
            eff("intron_variant", "", "G1"),
            eff("upstream_gene_variant", "200", "G2"),
        ],
    ),
    "EFF, classic": (
        "EFF",
        [
            eff("NON_SYNONYMOUS_CODING", "gAt/gTt", "G1"),
            eff("FRAME_SHIFT", "-/T", "G1"),
            eff("SYNONYMOUS_CODING", "gcC/gcT", "G1"),
            eff("INTRON", "", "G1"),
            eff("UPSTREAM", "200", "G2"),
        ],
    ),
    "CSQ": (
        "CSQ",
        [
            csq("T", "missense_variant", "G1"),
            csq("T", "frameshift_variant", "G1"),
            csq("T", "synonymous_variant", "G1"),
            csq("C", "intron_variant", "G1"),
            csq("A", "upstream_gene_variant", "G2", "200"),
        ],
    ),
    "ANNOVAR": (
        "ANNOVAR",
        [
            annovar("exonic", "G1", exonic="nonsynonymous_SNV", change="G1:G1.1:exon1:c.A14T:p.D5V"),
            annovar("exonic", "G1", exonic="frameshift_insertion", change="G1:G1.1:exon1:c.24_25insT:p.X"),
            annovar("exonic", "G1", exonic="synonymous_SNV", change="G1:G1.1:exon1:c.C114T:p.A38A"),
            annovar("intronic", "G1"),
            annovar("upstream", "G2", "dist\\x3d200"),
        ],
    ),
}
HEADERS = {
    "EFF": '##INFO=<ID=EFF,Number=.,Type=String,Description="Predicted effects">\n',
    "CSQ": '##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequences from Ensembl VEP. Format: '
    'Allele|Consequence|Gene|SYMBOL|BIOTYPE|DISTANCE">\n',
    "BCSQ": '##INFO=<ID=BCSQ,Number=.,Type=String,Description="Local consequence annotation from BCFtools/csq">\n',
    "ANNOVAR": '##INFO=<ID=Func.refGene,Number=.,Type=String,Description="Func.refGene annotation">\n',
    "none": "",
}


def write(vcf, folder, kind, info):
    header = vcf.header.replace("##INFO=<ID=ANN", "##INFO=<ID=OTHER") + HEADERS[kind]
    records = [vcf.record(*place, text, calls) for (*place, calls), text in zip(VARIANTS, info, strict=True)]
    return vcf.write(folder, records, header=header)


@pytest.mark.parametrize("name", INFO)
def test_annotation_in_the_file(vcf, nonzero, tmp_path, name):
    kind, info = INFO[name]
    counts, report = count_variants(write(vcf, tmp_path, kind, info))
    assert nonzero(counts) == EXPECTED
    assert report.used == 4
    assert sum(report.without_counterpart.values()) == 1


def test_bcftools_csq_says_nothing_of_neighbourhoods(vcf, nonzero, tmp_path):
    info = [
        "BCSQ=missense|G1|G1.1|protein_coding|+|5D>5V|100A>T",
        "BCSQ=frameshift|G1|G1.1|protein_coding|+|8K>8X|110A>AT",
        "BCSQ=synonymous|G1|G1.1|protein_coding|+|38A|200C>T",
        "BCSQ=intron|G1||protein_coding",
        "DP=3",
    ]
    path = write(vcf, tmp_path, "BCSQ", info)
    counts, report = count_variants(path)
    assert nonzero(counts) == {key: values for key, values in EXPECTED.items() if key[0] == "G1"}
    assert report.alleles_left_out["not annotated"] == 1
    gff3 = tmp_path / "genes.gff3"
    gene = "1\tx\t{}\t{}\t{}\t.\t+\t.\t{}\n"
    gff3.write_text(
        gene.format("gene", 50, 900, "ID=G1") + gene.format("mRNA", 50, 900, "ID=G1.1;Parent=G1")
        + gene.format("gene", 5200, 6000, "ID=G2") + gene.format("mRNA", 5200, 6000, "ID=G2.1;Parent=G2")
    )  # fmt: skip
    counts, report = count_variants(path, Settings(gff3=str(gff3)))
    assert nonzero(counts) == EXPECTED
    assert counts["gene"].values.tolist() == ["G1", "G2"]
    assert report.used == 4


# Annovar's tables, for the same variants: Start and alleles in its own notation.
PLACES = [
    "1\t100\t100\tA\tT",
    "1\t110\t110\t-\tT",
    "1\t200\t200\tC\tT",
    "1\t300\t300\tG\tC",
    "1\t5000\t5000\tG\tA",
]
VARIANT_FUNCTION = ["exonic\tG1", "exonic\tG1", "exonic\tG1", "intronic\tG1", "upstream\tG2(dist=200)"]
EXONIC = ["nonsynonymous SNV\tG1:G1.1:exon1:c.A14T:p.D5V,", "frameshift insertion\tG1:G1.1:exon1:c.24_25insT:p.X,",
          "synonymous SNV\tG1:G1.1:exon1:c.C114T:p.A38A,"]  # fmt: skip


def annovar_pair(folder):
    regions, exonic = folder / "v.variant_function", folder / "v.exonic_variant_function"
    regions.write_text("".join(f"{a}\t{b}\n" for a, b in zip(VARIANT_FUNCTION, PLACES, strict=True)))
    exonic.write_text(
        "".join(f"line{i + 1}\t{a}\t{b}\n" for i, (a, b) in enumerate(zip(EXONIC, PLACES[:3], strict=True)))
    )
    return regions, exonic


def annovar_table(folder):
    path = folder / "v.multianno.txt"
    told = ("Func", "Gene", "GeneDetail", "ExonicFunc", "AAChange")
    head = "\t".join(["Chr", "Start", "End", "Ref", "Alt", *(f"{column}.refGene" for column in told)])
    rows = [
        ["exonic", "G1", ".", "nonsynonymous SNV", "G1:G1.1:exon1:c.A14T:p.D5V"],
        ["exonic", "G1", ".", "frameshift insertion", "G1:G1.1:exon1:c.24_25insT:p.X"],
        ["exonic", "G1", ".", "synonymous SNV", "G1:G1.1:exon1:c.C114T:p.A38A"],
        ["intronic", "G1", ".", ".", "."],
        ["upstream", "G2", "dist=200", ".", "."],
    ]
    path.write_text(
        "\n".join([head, *("\t".join([a, *b]) for a, b in zip(PLACES, rows, strict=True))]) + "\n"
    )
    return (path,)


@pytest.mark.parametrize("tables", [annovar_pair, annovar_table])
def test_annovars_tables_beside_the_file(vcf, nonzero, tmp_path, tables):
    path = write(vcf, tmp_path, "none", ["DP=3"] * 5)
    settings = Settings(annovar=tuple(str(table) for table in tables(tmp_path)))
    counts, report = count_variants(path, settings)
    assert nonzero(counts) == EXPECTED
    assert report.used == 4


def test_variants_that_annovars_table_lacks_are_told(vcf, nonzero, tmp_path):
    (table,) = annovar_table(tmp_path)
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(lines[:-1]))
    counts, report = count_variants(
        write(vcf, tmp_path, "none", ["DP=3"] * 5), Settings(annovar=(str(table),))
    )
    assert nonzero(counts) == {key: values for key, values in EXPECTED.items() if key[0] == "G1"}
    assert report.alleles_left_out["not annotated"] == 1


def test_annotation_of_another_record_is_refused_with_its_place(vcf, tmp_path):
    kind, info = INFO["CSQ"]
    with pytest.raises(EncodingError, match=r"small\.vcf, 1:100: VEP entry for allele 'G'"):
        count_variants(write(vcf, tmp_path, kind, [csq("G", "missense_variant", "G1"), *info[1:]]))
