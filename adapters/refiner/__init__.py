"""The refiner of FRTM (Robinson et al. 2020): coarse score maps and features of a backbone become fine features.

`levels`, and behind them `projection`, carry the parameter names of the checkpoints of FRTM-VOS and of its descendants.
"""
