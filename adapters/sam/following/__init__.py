"""How an object is followed from frame to frame: which memory is read, which of the offered masks is taken.

`plain` is SAM 2's own rule, `selected` is SAM 3's; `samurai`, `dam4sam` and `sam2long` are training-free methods over
SAM 2, in our reading of their papers and of the settings that their authors published.
"""
