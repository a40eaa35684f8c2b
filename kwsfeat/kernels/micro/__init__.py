"""TFLM's integer micro front end, as microcontrollers compute it: every rounding and every overflow is theirs."""
