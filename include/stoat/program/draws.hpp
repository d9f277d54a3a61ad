// stoat/program/draws.hpp: what draw(law) is, whatever the run is made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <stoat/program/block.hpp>
#include <stoat/program/compound.hpp>
#include <stoat/program/discrete.hpp>
#include <stoat/program/site.hpp>

namespace stoat {

/// The draws that Sampler<S> offers. D is the sampler; it has draw(law, uniform) for one number, block(law), columns(weights) and
/// repeated(law, n) for many.
template <class D, class S>
class Draws : public CompoundDraws<D, S> {
 public:
  using CompoundDraws<D, S>::operator();

  /// A discrete draw.
  template <SingleDraw L>
  Discrete<S> operator()(const L& law) {
    return self().draw(law, [this] { return self().uniform(); });
  }
  /// A discrete draw keyed by a label and its repetition in this run instead of the order of execution. Use labels where a
  /// changed outcome changes the number of draws: the same label keeps the same randomness.
  template <SingleDraw L>
  Discrete<S> operator()(const L& law, std::uint64_t label) {
    return self().draw(law, [this, label, use = self().occurrence(label)] { return self().labelled_uniform(label, use); });
  }
  /// A draw, single or of many, with the method that PerSite is to use for it.
  template <class L>
  auto operator()(const L& law, Method) {
    return self()(law);
  }
  /// A draw for each entry of the law's parameters.
  template <BlockLaw L>
  auto operator()(const L& law) {
    return self().block(law);
  }
  /// A label for each column of weights.
  template <class U>
  DiscreteBlock<S, 1> operator()(const Categorical<Matrix<U>>& law) {
    return self().columns(law.weights());
  }
  /// Many draws from one law, as integers to index with and count, or as numbers in arithmetic.
  template <class U>
  std::vector<Discrete<S>> operator()(const Repeated<Categorical<U>>& law) {
    return self().repeated(law.law, law.n);
  }
  /// A label and its unit vector.
  template <class U>
  OneHotDraw<S> operator()(const OneHot<U>& law) {
    const std::size_t site = self().sites();
    const Discrete<S> k = self().draw(law, [this] { return self().uniform(); });
    return {self(), site, k.value(), law.weights().size(), {}};
  }
  /// A continuous draw, reparameterised: S, or Vector<S> of a law with vector outcomes.
  template <ContinuousLaw L>
  auto operator()(const L& law) {
    return self().template continuous<S>(law);
  }

 private:
  D& self() { return static_cast<D&>(*this); }
};

}  // namespace stoat
