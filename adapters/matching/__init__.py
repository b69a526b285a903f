"""Pixel matching as CFBI defines it (Yang et al. 2020, 2021), shared with AOC-Net and RPCM.

`labels`: masks on feature grids. `pool`: reference pixels by slot. `nearest`: global matching. `windows`: local
matching. `maps`: distances to maps, background maps. `means`: mean embeddings of objects.

A slot is a channel of the network: 0 is background, k >= 1 object k. Embeddings are C x h x w float tensors of one
image, masks are bool slots x h x w, distances and maps float32 with the slot first.
"""
