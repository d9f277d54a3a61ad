// An engine of the tape benchmark: one way to get the gradient of a workload. Each peer is a file that registers itself.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "workloads.hpp"

namespace bench {

/// One workload under one engine: call it to get the value and the gradient.
struct Task {
  std::string workload, engine;
  double statements;
  std::size_t inputs;
  std::function<double(std::vector<double>&)> gradient;
  std::function<double()> bytes;  ///< of tape per statement after a run, if the engine tells
};

std::vector<Task>& tasks();

/// Engine::add<Workload>() for every workload that is written in scalars.
template <class Engine>
bool add_engine() {
  Engine::template add<CheapChain>();
  Engine::template add<TranscendentalChain>();
  Engine::template add<Dot>();
  Engine::template add<Logistic>();
  Engine::template add<EulerMaruyama>();
  Engine::template add<Perceptron>();
  Engine::template add<BernoulliWalk>();
  return true;
}

}  // namespace bench
