"""An interpreter of the PTX that nvcc emits. It runs a kernel's threads as NumPy arrays, a block at a time.

The numbers are those of the PTX specification, with these differences from a GPU:
- `.approx` operations (ex2, lg2, sin, cos, tanh, rcp, rsqrt, sqrt, div) give the exact value rounded once; a GPU differs
  in the last bits.
- mma and wmma sum in float64 and round once; a GPU truncates within its tensor cores.
- A register or a local variable that was never written, and a lane that takes no part in a shuffle, read as bits that are
  all ones.
"""
