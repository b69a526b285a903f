"""Batches of frames on a torch device: uint8 tensors (N, H, W, 3), RGB, in and out.

Every function repeats the arithmetic of its counterpart in `kernels` operation by operation: integers, table look-ups,
and float32 products and sums in the same order, each a kernel of its own so that nothing is fused. Results are
therefore equal to those of the CPU, whatever the size of the batch. Random words come from the same keyed generators,
drawn on the host.
"""
