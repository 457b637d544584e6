"""Protocol kernels: pure, without input or output, time handed in."""
