"""Has anything become slower? A former state of the package against this one, interleaved."""
