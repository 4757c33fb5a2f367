#include "tidemark/base/metrics.hpp"

#include <prometheus/check_names.h>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <mutex>

#include "tidemark/base/assert.hpp"

namespace tidemark {
namespace {

// How a gauge that isn't known is held; exposition() leaves it out.
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

using LabelMap = std::map<std::string, std::string>;

class PrometheusCounter final : public Counter {
 public:
  explicit PrometheusCounter(prometheus::Counter& counter) : counter_(counter) {}
  void add(double amount) noexcept override { counter_.Increment(amount); }

 private:
  prometheus::Counter& counter_;
};

class PrometheusGauge final : public Gauge {
 public:
  explicit PrometheusGauge(prometheus::Gauge& gauge) : gauge_(gauge) { unset(); }
  void set(double value) noexcept override { gauge_.Set(value); }
  void unset() noexcept override { gauge_.Set(kUnknown); }

 private:
  prometheus::Gauge& gauge_;
};

class PrometheusHistogram final : public Histogram {
 public:
  explicit PrometheusHistogram(prometheus::Histogram& histogram) : histogram_(histogram) {}
  void observe(double value) noexcept override { histogram_.Observe(value); }

 private:
  prometheus::Histogram& histogram_;
};

LabelMap label_map(Labels labels) {
  LabelMap map;
  for (const auto& [name, value] : labels) {
    TIDEMARK_ASSERT(prometheus::CheckLabelName(std::string(name)));
    map.emplace(name, value);
  }
  return map;
}

/// The metrics of one name. `Wrapper` is ours, `Native` the library's.
template <class Native, class Wrapper>
struct Group {
  prometheus::Family<Native>* family = nullptr;
  std::map<LabelMap, std::unique_ptr<Wrapper>> members;
};

bool by_labels(const prometheus::ClientMetric& a, const prometheus::ClientMetric& b) {
  const auto less = [](const auto& x, const auto& y) { return std::tie(x.name, x.value) < std::tie(y.name, y.value); };
  return std::lexicographical_compare(a.label.begin(), a.label.end(), b.label.begin(), b.label.end(), less);
}

}  // namespace

struct Metrics::Impl {
  template <class Native>
  using Families =
      std::map<std::string,
               Group<Native, std::conditional_t<std::is_same_v<Native, prometheus::Counter>, PrometheusCounter,
                                                std::conditional_t<std::is_same_v<Native, prometheus::Gauge>,
                                                                   PrometheusGauge, PrometheusHistogram>>>,
               std::less<>>;

  prometheus::Registry registry;
  std::mutex mutex;  // guards all below
  Families<prometheus::Counter> counters;
  Families<prometheus::Gauge> gauges;
  Families<prometheus::Histogram> histograms;
  std::vector<std::function<void()>> refreshes;

  bool is_taken(std::string_view name) const {
    return counters.contains(name) || gauges.contains(name) || histograms.contains(name);
  }

  /// Finds or makes the metric; `build` starts a family and `arguments` go to a new member.
  template <class Native, class Build, class... Arguments>
  auto& find_or_add(Families<Native>& families, Build build, std::string_view name, std::string_view help,
                    Labels labels, const Arguments&... arguments) {
    const std::lock_guard lock(mutex);
    auto group = families.find(name);
    if (group == families.end()) {
      TIDEMARK_ASSERT(prometheus::CheckMetricName(std::string(name)));
      TIDEMARK_ASSERT(!is_taken(name));  // One name, one kind.
      group = families.emplace(name, typename Families<Native>::mapped_type{}).first;
      group->second.family = &build().Name(std::string(name)).Help(std::string(help)).Register(registry);
    }
    auto [member, added] = group->second.members.try_emplace(label_map(labels));
    if (added) {
      using Wrapper = typename std::decay_t<decltype(member->second)>::element_type;
      member->second = std::make_unique<Wrapper>(group->second.family->Add(member->first, arguments...));
    }
    return *member->second;
  }
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

Counter& Metrics::counter(std::string_view name, std::string_view help, Labels labels) {
  return impl_->find_or_add(impl_->counters, prometheus::BuildCounter, name, help, labels);
}

Gauge& Metrics::gauge(std::string_view name, std::string_view help, Labels labels) {
  return impl_->find_or_add(impl_->gauges, prometheus::BuildGauge, name, help, labels);
}

Histogram& Metrics::histogram(std::string_view name, std::string_view help, std::vector<double> buckets,
                              Labels labels) {
  TIDEMARK_ASSERT(std::ranges::is_sorted(buckets));
  return impl_->find_or_add(impl_->histograms, prometheus::BuildHistogram, name, help, labels, buckets);
}

void Metrics::before_exposition(std::function<void()> refresh) {
  const std::lock_guard lock(impl_->mutex);
  impl_->refreshes.push_back(std::move(refresh));
}

std::string Metrics::exposition() {
  std::vector<std::function<void()>> refreshes;
  {
    const std::lock_guard lock(impl_->mutex);
    refreshes = impl_->refreshes;
  }
  for (const auto& refresh : refreshes) refresh();  // Outside the lock: it may ask for metrics.

  auto families = impl_->registry.Collect();
  for (auto& family : families) {
    if (family.type == prometheus::MetricType::Gauge) {
      std::erase_if(family.metric, [](const auto& metric) { return std::isnan(metric.gauge.value); });
    }
    std::ranges::sort(family.metric, by_labels);
  }
  std::erase_if(families, [](const auto& family) { return family.metric.empty(); });
  std::ranges::sort(families, {}, &prometheus::MetricFamily::name);
  return prometheus::TextSerializer().Serialize(families);
}

std::vector<double> duration_buckets() {
  return {0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
}

}  // namespace tidemark
