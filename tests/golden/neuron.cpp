// The experiments are part of the showcase; the tests compile them once more.
#include <surrogate_gradients/neuron.cpp>
