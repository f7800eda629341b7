"""A world for the engine, drawn from one seed: its control planes die, and so much else goes wrong.

    workflows ──► world: objects, pods, store, children        `checks`, `flaws`
                    ▲ answers: late, twice, lost
                    │ requests
                  planes ──► runs: engine, checkpoint, commands

Time is virtual: it passes only when the simulation lets it. At every moment one thing is done,
chosen at random: a control plane does its next step, an answer arrives, an action ends, time
passes. Between any two the control plane may die, and another one take over, also while the first
one lives and does not know.

Not simulated: pods that are lost while what they run goes on, and pods that were not there when a
new control plane asked all of them.

    python -m tests.support.simulation 1000000 --processes 2
"""

from tests.support.simulation.flaws import Flaw
from tests.support.simulation.planes import Simulation
from tests.support.simulation.violations import Violation

__all__ = ["Flaw", "Simulation", "Violation"]
