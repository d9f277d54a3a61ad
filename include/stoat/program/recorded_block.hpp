// stoat/program/recorded_block.hpp: many draws at once on variables.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <stoat/program/recorded_sampler.hpp>

namespace stoat {

template <class T>
template <class L>
auto Sampler<Var<T>>::block(const L& law) {
  const auto p = detail::first_parameter(law);
  using D = std::remove_cvref_t<decltype(p)>;
  constexpr int C = detail::columns_of<D>;
  using P = std::remove_cvref_t<decltype(detail::plain_entry(law, 0))>;
  static_assert(std::is_trivially_copyable_v<P>, "stoat: the plain form of a law must be trivially copyable");
  const std::size_t first = site_, n = static_cast<std::size_t>(p.size());
  P* const laws = tape_->arena().template allocate<P>(n);
  const auto packed = law.map([](const auto& x) { return detail::packed(x); });
  for (std::size_t i = 0; i < n; ++i) new (laws + i) P(detail::plain_entry(packed, static_cast<Eigen::Index>(i)));
  if (mode_ == Outcomes::means) {
    for (std::size_t i = 0; i < n; ++i)
      if (const std::string trouble = problem(laws[i]); !trouble.empty()) [[unlikely]] {
        site_ += i;
        complain(P::name, trouble);
      }
    Site s;
    s.law = &detail::LawTable<P>::table;
    log_.resize(log_.size() + n, s);
    values_.resize(values_.size() + n);
    outcomes_.resize(outcomes_.size() + n);
    site_ += n;
    restart_words();
    return DiscreteBlock<S, C>(*this, first, noted(Dense<S, C>(T(1) * law.mean()), first, true));
  }
  decide_block(
      n, [laws](std::size_t i) -> const P& { return laws[i]; }, [](std::size_t, std::span<const std::int64_t>) {});
  const std::int64_t* const k = outcomes_.data() + (outcomes_.size() - n);
  T* const values = tape_->arena().template allocate<T>(n);
  bool active = false;
  law.map([&](const auto& x) {
    if constexpr (is_var<ScalarOf<decltype(x)>>) active = active || x.active();
    return 0.0;
  });
  ++blocks_;
  for (std::size_t i = 0; i < n; ++i) {
    Site s;
    s.law = &detail::LawTable<P>::table;
    s.plain = laws + i;
    s.block = blocks_;
    s.outcome = k[i];
    s.first = static_cast<std::uint32_t>(parameters_.size());
    values[i] = static_cast<T>(k[i]);
    if (active) {
      law.map([&](const auto& x) {
        Index index = 0;
        if constexpr (is_var<ScalarOf<decltype(x)>>)
          if (x.active()) index = x.first() + static_cast<Index>(detail::entry_offset(x.layout(), static_cast<Eigen::Index>(i)));
        parameters_.push_back(index);
        return 0.0;
      });
      s.count = static_cast<std::uint32_t>(parameters_.size()) - s.first;
    }
    log_.push_back(s);
  }
  if (mode_ == Outcomes::relaxed) values_.resize(log_.size());
  if (mode_ == Outcomes::relaxed && active) {
    if constexpr (requires { law.log_odds(); }) {
      const Dense<S, C> log_odds(law.log_odds());
      for (std::size_t i = 0; i < n; ++i)
        values_[first + i] =
            relaxation_->coin(first + i, log_odds(static_cast<Eigen::Index>(i) % p.rows(), static_cast<Eigen::Index>(i) / p.rows()),
                              log_[first + i].outcome);
      const auto value = [&](Eigen::Index i, Eigen::Index j = 0) {
        return values_[first + static_cast<std::size_t>(i + j * p.rows())];
      };
      if constexpr (C == 1) return DiscreteBlock<S, C>(*this, first, Dense<S, C>::generate(p.rows(), value));
      else return DiscreteBlock<S, C>(*this, first, Dense<S, C>::generate(p.rows(), p.cols(), value));
    } else {
      no_relaxation(relaxation_->name(), P::name);
    }
  }
  return DiscreteBlock<S, C>(*this, first, Dense<S, C>::on_tape(values, record_edges(log_.size() - n), p.rows(), p.cols()));
}

template <class T>
template <class U>
DiscreteBlock<Var<T>, 1> Sampler<Var<T>>::columns(const Matrix<U>& w) {
  using P = CategoricalView<T>;
  const std::size_t first = site_;
  const Eigen::Index n = w.cols(), size = w.rows();
  std::vector<std::int64_t> labels(static_cast<std::size_t>(n));
  for (std::int64_t& k : labels) {
    const CategoricalView column(w.col(&k - labels.data()));
    if (mode_ == Outcomes::means) {
      if (const std::string trouble = column.problem(); !trouble.empty()) complain(P::name, trouble);
    } else {
      k = decide(column, [this] { return this->uniform(); });
    }
    visited(k);
  }
  const Matrix<S> p = normalised(Matrix<S>(w));  // of all columns, as one operation
  const auto column = [&](Eigen::Index j) { return p.eigen().data() + j * size; };
  if (mode_ == Outcomes::means) {
    Site s;
    s.law = &detail::LawTable<P>::table;
    log_.resize(log_.size() + labels.size(), s);
    values_.resize(values_.size() + labels.size());
    const Vector<S> label(Eigen::VectorX<T>(Eigen::VectorX<T>::LinSpaced(size, 0, static_cast<T>(size - 1))));
    return {*this, first, noted(Vector<S>(p.transpose() * label), first, true)};
  }
  T* const values = tape_->arena().template allocate<T>(labels.size());
  ++blocks_;
  for (Eigen::Index j = 0; j < n; ++j) {
    const std::int64_t k = labels[static_cast<std::size_t>(j)];
    Site s;
    s.law = &detail::LawTable<P>::table;
    s.plain = keep(P(column(j), size));
    s.block = blocks_;
    s.outcome = k;
    s.first = static_cast<std::uint32_t>(parameters_.size());
    values[j] = static_cast<T>(k);
    if (p.active()) {
      for (Eigen::Index i = 0; i < size; ++i) parameters_.push_back(p.first() + static_cast<Index>(j * size + i));
      s.count = static_cast<std::uint32_t>(size);
    }
    log_.push_back(s);
  }
  if (mode_ == Outcomes::relaxed) values_.resize(log_.size());
  if (mode_ == Outcomes::relaxed && p.active()) {
    for (Eigen::Index j = 0; j < n; ++j)
      values_[first + static_cast<std::size_t>(j)] = number_of(relaxation_->label(
          log_.size() - static_cast<std::size_t>(n - j), Vector<S>(stoat::log(p.col(j))), labels[static_cast<std::size_t>(j)]));
    return {*this, first, Vector<S>::generate(n, [&](Eigen::Index j) { return values_[first + static_cast<std::size_t>(j)]; })};
  }
  return {*this, first, Vector<S>::on_tape(values, record_edges(log_.size() - labels.size()), n, 1)};
}

template <class T>
template <class L>
std::vector<Discrete<Var<T>>> Sampler<Var<T>>::repeated(const L& law, std::size_t n) {
  std::vector<Discrete<S>> drawn;
  drawn.reserve(n);
  if (mode_ == Outcomes::means || mode_ == Outcomes::relaxed) {
    for (; n > 0; --n) drawn.push_back(draw(law, [this] { return this->uniform(); }));
    return drawn;
  }
  const std::size_t begin = log_.size();
  Site s;
  decide_repeated(law.plain(), n, [&](std::int64_t k) {
    s.outcome = k;
    log_.push_back(s);
    drawn.emplace_back(*this, site_, k);
  });
  const auto p = on_this_tape(law);
  using P = std::remove_cvref_t<decltype(law.plain())>;
  const void* const shared = keep(P(p));
  const auto first = static_cast<std::uint32_t>(parameters_.size());
  if (p.active())
    for (Eigen::Index j = 0; j < p.size(); ++j) parameters_.push_back(p.first() + static_cast<Index>(j));
  for (Site& t : std::span(log_).subspan(begin)) {
    t.law = &detail::LawTable<P>::table;
    t.plain = shared;
    t.first = first, t.count = static_cast<std::uint32_t>(parameters_.size()) - first;
  }
  return drawn;
}

}  // namespace stoat
