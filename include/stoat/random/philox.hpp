// stoat/random/philox.hpp: keyed randomness. A draw is a pure function of (seed, run, site, word).
//
// Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011; Random123) turns a counter of 128 bits under a key of 64 bits into four
// random words. The key is the seed; the counter holds the run (40 bits), what the randomness is for (8 bits), the site
// (48 bits) and the word (32 bits). Nothing is ever "the next number of the generator", so a replay that makes other draws,
// another number of threads or another order of evaluation changes no number but those it means to change.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace stoat {

/// What randomness is for. Streams of different purposes never share a number.
enum class Purpose : std::uint8_t {
  program,    ///< the draws of the user's program
  labelled,   ///< draws addressed by a label instead of their order
  engine,     ///< choices of the estimators: sites, directions
  pilot,      ///< the program's draws in pilot runs
  data,       ///< the order of data
  iteration,  ///< raw words before the first draw of an iteration
  proposal,   ///< further attempts of a draw by rejection
};

/// The address of one run of a program: its draws depend on this and on the site alone.
struct RunKey {
  std::uint64_t seed = 0;              ///< of everything
  std::uint64_t run = 0;               ///< below 2^40
  Purpose purpose = Purpose::program;  ///< what the numbers are for
};

using Words = std::array<std::uint32_t, 4>;

/// The four random words at (key, site, word). `word` counts blocks of four.
Words philox(const RunKey& key, std::uint64_t site, std::uint32_t word);

/// A uniform number in [0, 1) with 53 random bits.
inline double uniform53(std::uint32_t low, std::uint32_t high) {
  return static_cast<double>((std::uint64_t{high} << 32 | low) >> 11) * 0x1p-53;
}

/// The uniform numbers of the sites first, first + 1, ...: site i has one half of the words at site i / 2. Several at a time are
/// much cheaper than one by one, and the same bits on every machine.
void uniforms(const RunKey& key, std::uint64_t first, std::span<double> out);

/// The stream of random words at (key, site): a Boost.Random (and <random>) uniform random bit generator.
class Generator {
 public:
  using result_type = std::uint32_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return 0xffffffff; }

  explicit Generator(const RunKey& key, std::uint64_t site = 0, std::uint32_t first_word = 0)
      : key_(key), site_(site), word_(first_word) {}

  result_type operator()() {
    if (used_ == 4) {
      words_ = philox(key_, site_, word_++);
      used_ = 0;
    }
    return words_[used_++];
  }

  /// A uniform number in [0, 1) with 53 random bits.
  double uniform() {
    const std::uint32_t low = (*this)();
    return uniform53(low, (*this)());
  }

 private:
  RunKey key_;
  std::uint64_t site_;
  std::uint32_t word_;
  unsigned used_ = 4;
  Words words_{};
};

}  // namespace stoat
