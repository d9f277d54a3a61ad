#include <surrogate_gradients/lif.cpp>
