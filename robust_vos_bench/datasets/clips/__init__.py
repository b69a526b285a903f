"""Video files (mp4, mov, avi, webm ...) as a data set: decoded while they are read, with masks that lie beside them."""
