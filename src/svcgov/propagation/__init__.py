"""What travels with a call: trace, baggage, colour and deadline, in and out of headers. One file for each of them."""
