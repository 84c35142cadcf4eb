"""What the parts of scripts/bench many share: gateways of this program and, with --before, of an earlier build."""


def gateways(lab, arguments, *flags):
    """With one worker, as the peers have. Name -> process."""
    made = {"ours": lab.gateway(*flags, "--workers", "1")}
    if arguments.before:
        made["before"] = lab.gateway(*flags, "--workers", "1", program=arguments.before)
    return made
