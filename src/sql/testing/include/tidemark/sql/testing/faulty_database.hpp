#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "tidemark/sql/session.hpp"

namespace tidemark::sql::testing {

/// A failure to come in a FaultyDatabase.
struct SessionFault {
  std::uint64_t after = 0;  ///< Calls that pass before this strikes, counted from inject(): 0 strikes the next one.
  Errc code = Errc::kConnectionLost;
  bool takes_effect = false;  ///< The call is carried out, and only its reply is lost.
};

/// A database whose connections break where a test says. Calls are connect() and all that a session does but
/// rollback(), counted over all sessions. A session that was struck is dead: its transaction is undone, unless it was
/// the COMMIT that took effect, and each further call fails with kConnectionLost.
/// *Concurrency*: as Database. *Lifetime*: must outlive its sessions.
class FaultyDatabase final : public Database {
 public:
  explicit FaultyDatabase(Database& real) : real_(real) {}

  /// Replaces the fault that hasn't struck yet.
  void inject(SessionFault fault);
  /// Forgets the fault that hasn't struck yet; true if there was one.
  bool clear();
  /// While down, every call fails with kUnavailable.
  void set_down(bool down);
  /// Runs before each call, on its thread; may block it.
  void before_each_call(std::function<void()> hook);
  std::uint64_t calls() const;

  Result<std::unique_ptr<Session>> connect() override;
  std::string display_name() const override { return real_.display_name(); }
  const Dialect& dialect() const noexcept override { return real_.dialect(); }
  Result<void> with_migration_lock(const std::function<Result<void>(Session&)>& migrate) override;

 private:
  friend class FaultySession;
  /// What the next call is to do: the fault that strikes it, if one does.
  std::optional<SessionFault> next_call();

  Database& real_;
  mutable std::mutex mutex_;
  std::optional<SessionFault> fault_;  // Guarded by mutex_.
  std::uint64_t calls_ = 0;            // Guarded by mutex_.
  bool down_ = false;                  // Guarded by mutex_.
  std::function<void()> hook_;         // Guarded by mutex_.
};

}  // namespace tidemark::sql::testing
