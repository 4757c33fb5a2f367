#include "tidemark/sql/testing/faulty_database.hpp"

namespace tidemark::sql::testing {
namespace {

Error struck(Errc code) {
  return Error(code, "the test broke the connection");
}

}  // namespace

/// Passes calls on until it is struck.
class FaultySession final : public Session {
 public:
  FaultySession(FaultyDatabase& database, Session& real) : database_(database), real_(&real) {}
  FaultySession(FaultyDatabase& database, std::unique_ptr<Session> owned)
      : database_(database), owned_(std::move(owned)), real_(owned_.get()) {}

  const Dialect& dialect() const noexcept override { return database_.dialect(); }

  Result<void> begin() override {
    return call<void>([](Session& real) { return real.begin(); });
  }
  Result<void> commit() override {
    return call<void>([](Session& real) { return real.commit(); });
  }
  void rollback() noexcept override {
    if (real_ != nullptr) real_->rollback();
  }
  Result<std::int64_t> execute(std::string_view statement, std::span<const Value> parameters) override {
    return call<std::int64_t>([&](Session& real) { return real.execute(statement, parameters); });
  }
  Result<Rows> query(std::string_view statement, std::span<const Value> parameters,
                     std::span<const Type> types) override {
    return call<Rows>([&](Session& real) { return real.query(statement, parameters, types); });
  }
  Result<void> upsert(const UpsertShape& shape, const Batch& batch) override {
    return call<void>([&](Session& real) { return real.upsert(shape, batch); });
  }
  Result<void> insert_missing(const UpsertShape& shape, const Batch& batch, std::vector<bool>& inserted) override {
    return call<void>([&](Session& real) { return real.insert_missing(shape, batch, inserted); });
  }
  Result<std::vector<std::optional<Row>>> read_by_key(const UpsertShape& shape, const Batch& keys) override {
    return call<std::vector<std::optional<Row>>>([&](Session& real) { return real.read_by_key(shape, keys); });
  }

 private:
  template <class T, class Act>
  Result<T> call(Act act) {
    if (real_ == nullptr) return fail(struck(Errc::kConnectionLost));
    const std::optional<SessionFault> fault = database_.next_call();
    if (!fault) return act(*real_);
    if (fault->takes_effect) static_cast<void>(act(*real_));
    real_->rollback();
    owned_.reset();
    real_ = nullptr;
    return fail(struck(fault->code));
  }

  FaultyDatabase& database_;
  std::unique_ptr<Session> owned_;
  Session* real_;
};

void FaultyDatabase::inject(SessionFault fault) {
  const std::lock_guard lock(mutex_);
  fault_ = fault;
}

bool FaultyDatabase::clear() {
  const std::lock_guard lock(mutex_);
  return std::exchange(fault_, std::nullopt).has_value();
}

void FaultyDatabase::set_down(bool down) {
  const std::lock_guard lock(mutex_);
  down_ = down;
}

void FaultyDatabase::before_each_call(std::function<void()> hook) {
  const std::lock_guard lock(mutex_);
  hook_ = std::move(hook);
}

std::uint64_t FaultyDatabase::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

std::optional<SessionFault> FaultyDatabase::next_call() {
  std::function<void()> hook;
  {
    const std::lock_guard lock(mutex_);
    hook = hook_;
  }
  if (hook) hook();
  const std::lock_guard lock(mutex_);
  ++calls_;
  if (down_) return SessionFault{.code = Errc::kUnavailable};
  if (!fault_) return std::nullopt;
  if (fault_->after > 0) {
    --fault_->after;
    return std::nullopt;
  }
  return std::exchange(fault_, std::nullopt);
}

Result<std::unique_ptr<Session>> FaultyDatabase::connect() {
  if (const auto fault = next_call()) return fail(struck(fault->code));
  TIDEMARK_TRY_ASSIGN(std::unique_ptr<Session> session, real_.connect());
  return std::make_unique<FaultySession>(*this, std::move(session));
}

Result<void> FaultyDatabase::with_migration_lock(const std::function<Result<void>(Session&)>& migrate) {
  if (const auto fault = next_call()) return fail(struck(fault->code));
  return real_.with_migration_lock([&](Session& locked) {
    FaultySession session(*this, locked);
    return migrate(session);
  });
}

}  // namespace tidemark::sql::testing
