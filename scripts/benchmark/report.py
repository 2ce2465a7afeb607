"""What was found: a table for the terminal, a document for programs."""

from benchmark.loads import quartiles

TITLE, RATE, RATIO, REQUESTS, BUSY = 40, 14, 17, 10, 18  # columns


def row_of(load, title, found, failures):
    """The document of a row. Ratios are of rounds: what was measured shortly after each other."""
    measured = [name for name, samples in found.items() if samples]
    base = measured[0]
    row = {"group": load.group, "title": title, "unit": load.rows[title], "base": base, "places": {}, "failures": failures}
    for name in measured:
        rates = [sample.per_second for sample in found[name]]
        low, median, high = quartiles(rates)
        entry = {"rounds": rates, "per_second": {"median": median, "quartiles": [low, high]}}
        if name != base:
            ratios = [sample.per_second / base_sample.per_second for sample, base_sample in zip(found[name], found[base])]
            low, median, high = quartiles(ratios)
            entry["ratio"] = {"median": median, "quartiles": [low, high]}
        if found[name][0].requests is not None:
            entry["requests"] = requests_of(found[name])
        busy = [sample.busy for sample in found[name] if sample.busy is not None]
        if busy:
            entry["busy_seconds"] = quartiles(busy)[1]
        row["places"][name] = entry
    return row


def requests_of(samples):
    """Medians over the rounds, by operation, for each that was counted."""
    operations = sorted({operation for sample in samples for operation in sample.requests})
    medians = {operation: quartiles([sample.requests.get(operation, 0) for sample in samples])[1]
               for operation in operations}
    return {operation: median for operation, median in medians.items() if median > 0}


def short(number):
    return f"{number:.2f}" if number < 9.995 else f"{number:.0f}"


def heading(group, names):
    base, *others = names
    return (f"{group.upper():{TITLE}}{base + '/s':>{RATE}}" + "".join(f"{name:>{RATIO}}" for name in others)
            + f"{'requests':>{REQUESTS}}{'processors, µs':>{BUSY}}")


def line_of(row, names):
    """Columns of these places. The requests are those of the last one that counts them; how long all processors were busy
    for each is the base's and the last one's, where they were for long enough to tell."""
    _, *others = names
    rate = row["places"][row["base"]]["per_second"]["median"]
    columns = [f"{row['title']:{TITLE}}", f"{rate:,.{1 if rate < 100 else 0}f}".rjust(RATE)]
    for name in others:
        ratio = row["places"].get(name, {}).get("ratio")
        if name in row["failures"]:
            columns.append("failed".rjust(RATIO))
        elif name == row["base"]:
            columns.append("= 1.00".rjust(RATIO))
        elif ratio:
            low, high = ratio["quartiles"]
            columns.append(f"{short(ratio['median'])} {short(low)}-{short(high)}".rjust(RATIO))
        else:
            columns.append(" " * RATIO)
    counted = [sum(entry["requests"].values()) for entry in row["places"].values() if "requests" in entry]
    columns.append((short(counted[-1]) if counted else "").rjust(REQUESTS))
    busy = [entry["busy_seconds"] * 1e6 for entry in (row["places"][row["base"]], list(row["places"].values())[-1])
            if "busy_seconds" in entry]
    columns.append((" ".join(f"{each:,.0f}" for each in busy) if all(each >= 1 for each in busy) else "").rjust(BUSY))
    return "".join(columns).rstrip()
