#include <surrogate_gradients/bias_study.cpp>
