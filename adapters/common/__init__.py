"""What model families of any kind share: the base of torch adapters, id maps, tensors, untrained weights."""
