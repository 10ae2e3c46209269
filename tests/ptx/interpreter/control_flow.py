"""Where the threads that a branch separates meet again."""


def successors(body, index):
    """Instructions that can follow one; that after the last stands for the function's end."""
    instruction, end = body.code[index], len(body.code)
    following = [index + 1] if instruction.guard is not None else []
    if instruction.opcode == "bra":
        return following + [body.labels[instruction.operands[0].name]]
    if instruction.opcode == "brx":
        return following + [body.labels[label] for label in body.tables[instruction.operands[1].name]]
    if instruction.opcode in ("ret", "exit", "trap"):
        return following + [end]
    return [index + 1]


def meeting_points(body):
    """For each branch (an instruction with several successors) its nearest post-dominator (Cooper, Harvey, Kennedy 2001)."""
    end = len(body.code)
    follow = [successors(body, i) for i in range(end)]
    before = [[] for _ in range(end + 1)]
    for i, targets in enumerate(follow):
        for target in targets:
            before[target].append(i)

    # Depth first from the end, against the edges: the order in which post-dominators settle soonest.
    order, seen, stack = [], {end}, [(end, iter(before[end]))]
    while stack:
        node, rest = stack[-1]
        for previous in rest:
            if previous not in seen:
                seen.add(previous)
                stack.append((previous, iter(before[previous])))
                break
        else:
            order.append(node)
            stack.pop()
    rank = {node: i for i, node in enumerate(order)}

    nearest = {end: end}
    changed = True
    while changed:
        changed = False
        for node in reversed(order[:-1]):
            known = [target for target in follow[node] if target in nearest]
            meeting = known[0]
            for other in known[1:]:
                while meeting != other:
                    while rank[meeting] < rank[other]:
                        meeting = nearest[meeting]
                    while rank[other] < rank[meeting]:
                        other = nearest[other]
            if nearest.get(node) != meeting:
                nearest[node] = meeting
                changed = True
    # What cannot reach the end (an endless loop) meets there by name.
    return {i: nearest.get(i, end) for i, targets in enumerate(follow) if len(targets) > 1}
