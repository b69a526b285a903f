"""What the networks of the CFBI line share: CFBI, CFBI+, AOC-Net, RPCM, and the lite models after them. Not a model.

Matching as CFBI defines it (Yang et al. 2020, 2021). `labels`: masks on feature grids. `pool`: reference pixels by
slot. `nearest`: global matching. `windows`: local matching. `maps`: distances to maps, background maps. `means`: mean
embeddings of objects.

Decoders. `blocks`: channel gates, gated bottlenecks and pyramids. `joined`: inputs that are never concatenated.
`slot_head`: how the decoders end. Input. `preparation`: size rule and colour order.

A slot is a channel of the network: 0 is background, k >= 1 object k. Embeddings are C x h x w float tensors of one
image, masks are bool slots x h x w, distances and maps float32 with the slot first.
"""
