#include <surrogate_gradients/multilayer.cpp>
