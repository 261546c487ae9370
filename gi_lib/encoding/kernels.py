"""The two compiled loops of the encoder: genotypes out of VCF text, and variants into counts.

Both have a plain reference in the tests. Everything else in `gi_lib.encoding` is ordinary Python over blocks of
variants, because only these two touch every call of every accession.
"""

import numpy as np
from numba import njit

MISSING, ABSENT = -1, -2
"""Codes in a genotype array: a copy that was not called, and a copy that the accession does not have (haploid)."""

OK, WRONG_COLUMNS, NO_GENOTYPE, BAD_GENOTYPE, PLOIDY = range(5)
"""What `scan_lines` says of the line at which it stopped."""

_TAB, _LF, _CR, _COLON, _BAR, _SLASH, _DOT, _ZERO, _NINE = (ord(c) for c in "\t\n\r:|/.09")


@njit(cache=True, nogil=True)
def scan_lines(text, genotypes, site, ends):
    """Read whole lines of VCF text: genotypes as numbers, the nine columns before them as text.

    Parameters
    ----------
    text : shape (byte,), uint8
        Whole lines, the last one ended by a newline too.
    genotypes : shape (record, copy, sample), int8
        Filled with allele numbers, `MISSING` or `ABSENT`; as many records as there is room for.
    site : shape (byte,), uint8
        Filled with the first nine columns of every line, each line ended by a newline.
    ends : shape (record,), int64
        Filled with the offset of the end of every line in `text`.

    Returns
    -------
    records : int
        Lines read. Empty lines and header lines are skipped.
    used : int
        Length of the text read, up to the line that could not be.
    written : int
        Length of `site`.
    status : int
        `OK`, or why the line at `used` was not read.
    """
    room, n_copies, n_samples = genotypes.shape
    end, at, records, written = len(text), 0, 0, 0
    while at < end and records < room:
        if text[at] == _LF:
            at += 1
            continue
        if text[at] == 35:  # '#'
            while text[at] != _LF:
                at += 1
            at += 1
            continue
        p, start, columns, form = at, written, 0, at
        while text[p] != _LF and columns < 9:
            if text[p] == _TAB:
                columns += 1
                if columns == 8:
                    form = p + 1
            if columns < 9:
                site[written] = text[p]
                written += 1
            p += 1
        site[written] = _LF
        written += 1
        if columns < 9:
            return records, at, start, WRONG_COLUMNS
        if not (
            text[form] == 71 and text[form + 1] == 84 and (text[form + 2] == _COLON or text[form + 2] == _TAB)
        ):
            return records, at, start, NO_GENOTYPE
        for sample in range(n_samples):
            # Two copies of one digit each, the common case; the rest of the field is not looked at.
            a, b, after = _ZERO, _ZERO, _LF
            is_short = n_copies == 2 and p + 3 < end
            if is_short:
                a, b, after = text[p], text[p + 2], text[p + 3]
                is_short = (
                    (text[p + 1] == _BAR or text[p + 1] == _SLASH)
                    and after in (_COLON, _TAB, _LF, _CR)
                    and (a == _DOT or (_ZERO <= a <= _NINE))
                    and (b == _DOT or (_ZERO <= b <= _NINE))
                )
            if is_short:
                genotypes[records, 0, sample] = MISSING if a == _DOT else a - _ZERO
                genotypes[records, 1, sample] = MISSING if b == _DOT else b - _ZERO
                p += 3
            else:
                copy = 0
                while True:
                    if copy == n_copies:
                        return records, at, start, PLOIDY
                    if text[p] == _DOT:
                        genotypes[records, copy, sample] = MISSING
                        p += 1
                    elif _ZERO <= text[p] <= _NINE:
                        allele = 0
                        while _ZERO <= text[p] <= _NINE:
                            allele = allele * 10 + (text[p] - _ZERO)
                            if allele > 127:
                                return records, at, start, BAD_GENOTYPE
                            p += 1
                        genotypes[records, copy, sample] = allele
                    else:
                        return records, at, start, BAD_GENOTYPE
                    copy += 1
                    if text[p] == _BAR or text[p] == _SLASH:
                        p += 1
                    else:
                        break
                if text[p] != _COLON and text[p] != _TAB and text[p] != _LF and text[p] != _CR:
                    return records, at, start, BAD_GENOTYPE
                while copy < n_copies:
                    genotypes[records, copy, sample] = ABSENT
                    copy += 1
            q = np.uint64(p)  # unsigned: no check for an index from the end
            while text[q] > _LF or (text[q] != _TAB and text[q] != _LF):
                q += np.uint64(1)
            p = np.int64(q)
            is_last = sample == n_samples - 1
            if is_last != (text[p] == _LF):
                return records, at, start, WRONG_COLUMNS
            p += 1
        if n_samples == 0:
            return records, at, start, WRONG_COLUMNS
        at = p
        ends[records] = at
        records += 1
    return records, at, written, OK


@njit(cache=True, nogil=True)
def count_copies(genotypes, record, allele, first):
    """How many copies of each allele every accession carries.

    An allele may stand in several records (duplicates); an accession then carries as many copies as the record
    that shows most.

    Parameters
    ----------
    genotypes : shape (record, copy, sample), int8
        Allele numbers, `MISSING` or `ABSENT`.
    record, allele : shape (place,)
        Where an allele stands: the record, and its number there (1 for the first alternative allele).
    first : shape (variant + 1,)
        The places of variant v are ``first[v]`` up to, and not including, ``first[v + 1]``.

    Returns
    -------
    copies : shape (variant, sample), uint8
    carried, called : shape (variant,), int64
        Copies of the allele, and called copies in the first record it stands in, over all accessions.
    """
    n_variants = len(first) - 1
    n_copies, n_samples = genotypes.shape[1:]
    copies = np.zeros((n_variants, n_samples), np.uint8)
    carried, called = np.zeros(n_variants, np.int64), np.zeros(n_variants, np.int64)
    seen = np.empty(n_samples, np.uint8)
    for v in range(n_variants):
        target = copies[v]
        for place in range(first[v], first[v + 1]):
            calls, number = genotypes[record[place]], np.int8(allele[place])
            seen[:] = 0
            for copy in range(n_copies):
                of_copy = calls[copy]
                for sample in range(n_samples):
                    seen[sample] += of_copy[sample] == number
            if place == first[v]:
                target[:] = seen
                for copy in range(n_copies):
                    called[v] += _count_not_negative(calls[copy])
            else:
                for sample in range(n_samples):
                    target[sample] = max(target[sample], seen[sample])
        total = np.uint32(0)
        for sample in range(n_samples):
            total += target[sample]
        carried[v] = total
    return copies, carried, called


@njit(cache=True, nogil=True)
def _count_not_negative(calls):
    total = np.uint32(0)
    for sample in range(len(calls)):
        total += np.uint8(calls[sample] >= 0)
    return total


@njit(cache=True, nogil=True)
def add_to_rows(copies, variant, row, rows, dosage):
    """Add every variant to the row of its gene and type: 1 for a carrier, or its copies.

    Parameters
    ----------
    copies : shape (variant, sample), uint8
    variant, row : shape (pair,)
        This variant counts in this row.
    rows : shape (row, sample), uint32
        Changed in place.
    dosage : bool
        Add the number of copies rather than 1.
    """
    for pair in range(len(variant)):
        source, target = copies[variant[pair]], rows[row[pair]]
        if dosage:
            for sample in range(len(target)):
                target[sample] += source[sample]
        else:
            for sample in range(len(target)):
                target[sample] += source[sample] > 0


@njit(cache=True, nogil=True)
def count_calls(genotypes):
    """Missing and half calls of each record: no copy called, and some but not all.

    Parameters
    ----------
    genotypes : shape (record, copy, sample), int8

    Returns
    -------
    missing, half : shape (record,), int64
    """
    n_records, n_copies, n_samples = genotypes.shape
    missing, half = np.zeros(n_records, np.int64), np.zeros(n_records, np.int64)
    called, uncalled = np.empty(n_samples, np.uint8), np.empty(n_samples, np.uint8)
    for record in range(n_records):
        called[:] = 0
        uncalled[:] = 0
        for copy in range(n_copies):
            calls = genotypes[record, copy]
            for sample in range(n_samples):
                called[sample] |= calls[sample] >= 0
                uncalled[sample] |= calls[sample] == MISSING
        n_missing, n_half = np.uint32(0), np.uint32(0)
        for sample in range(n_samples):
            n_missing += called[sample] ^ np.uint8(1)
            n_half += called[sample] & uncalled[sample]
        missing[record], half[record] = n_missing, n_half
    return missing, half


@njit(cache=True, nogil=True)
def add_to_counts(counts, column, cell, rows):
    """Add rows of a stretch to the counts of the whole.

    Parameters
    ----------
    counts : shape (sample of the whole, cell), unsigned integer
        Changed in place.
    column : shape (sample,)
        Where the samples of the rows stand in the whole.
    cell : shape (row,)
        Gene and type of each row; ascending is fastest.
    rows : shape (row, sample), unsigned integer
    """
    n_samples = rows.shape[1]
    for begin in range(0, n_samples, 64):  # one cache line of a row at a time
        end = min(begin + 64, n_samples)
        for row in range(len(cell)):
            source, at = rows[row], cell[row]
            for sample in range(begin, end):
                if source[sample]:
                    counts[column[sample], at] += source[sample]
