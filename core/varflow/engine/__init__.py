"""The engine: what a workflow does next, as a pure function. PURE.

    (workflow, snapshot, event) ──► advance ──► (snapshot, commands)

`advancing` is the way in; `messages` lists what goes in and out, `snapshots` what is kept between
two events. The rest, from the outside inwards: `states` has a module for each type of state and
one table of them; `attempts` runs one action with its retries; `effects` is the life of anything
that happens outside, and how it is given up; `turns` is the work table of one `advance`.
"""
