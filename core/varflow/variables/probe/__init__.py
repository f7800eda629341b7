"""The probe: which of Varflow's promises hold over a store."""
