#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidemark {

/// A label of a metric: name and value, both from closed sets.
using Label = std::pair<std::string_view, std::string_view>;
using Labels = std::initializer_list<Label>;

/// A number that only grows. Concurrency: safe from every thread.
class Counter {
 public:
  virtual ~Counter() = default;
  virtual void add(double amount = 1) noexcept = 0;
};

/// A number that moves both ways. A gauge that isn't known is left out of the exposition, never shown as 0.
class Gauge {
 public:
  virtual ~Gauge() = default;
  virtual void set(double value) noexcept = 0;
  virtual void unset() noexcept = 0;
};

/// A distribution of observations in fixed buckets.
class Histogram {
 public:
  virtual ~Histogram() = default;
  virtual void observe(double value) noexcept = 0;
};

/// The metrics of one process. Names are `tidemark_<module>_<noun>_<unit>[_total]`. The registry owns what it hands
/// out; asking again for the same name and labels answers the same object. Concurrency: safe from every thread.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  Counter& counter(std::string_view name, std::string_view help, Labels labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, Labels labels = {});
  /// `buckets`: ascending upper bounds.
  Histogram& histogram(std::string_view name, std::string_view help, std::vector<double> buckets, Labels labels = {});

  /// Runs `refresh` before each exposition, on the thread that asks for it: for numbers that are read, not counted.
  void before_exposition(std::function<void()> refresh);

  /// The Prometheus text format, version 0.0.4.
  std::string exposition();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Bucket bounds in seconds from 50 us to 10 s, for durations.
std::vector<double> duration_buckets();

}  // namespace tidemark
