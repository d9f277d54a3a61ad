#include <surrogate_gradients/perceptron.cpp>
