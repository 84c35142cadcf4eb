#include "masque/context_table.h"

#include "base/varint.h"

#include <algorithm>
#include <deque>
#include <vector>

#include <fmt/format.h>

namespace sallyport::masque {
namespace {

// IDs of the peer's that were closed, oldest first forgotten: as many as may be open, so that whoever uses an
// ID again at once is found out, at a bounded price.
constexpr std::size_t max_closed = ContextTable::max_registered;

/// The ID that padding of ours, or of the peer's, begins with.
std::uint64_t padding_id(ContextTable::Side of) {
  Bytes prefix = of == ContextTable::Side::client ? client_padding_prefix : server_padding_prefix;
  return *take_varint(prefix);
}

}  // namespace

struct ContextTable::Registrations {
  struct Entry {
    std::uint64_t id;
    Context context;
  };
  /// Where `id` is, or where it would be.
  auto at(std::uint64_t id) { return std::ranges::lower_bound(open, id, {}, &Entry::id); }
  const Context* find(std::uint64_t id) {
    const auto found = at(id);
    return found != open.end() && found->id == id ? &found->context : nullptr;
  }

  std::vector<Entry> open;  // by ID
  std::deque<std::uint64_t> closed;
  std::uint64_t next_own;
};

ContextTable::ContextTable(Side own, std::uint64_t& unknown) : unknown_(unknown), own_(own) {}
ContextTable::~ContextTable() = default;

ContextTable::Registrations& ContextTable::registrations() {
  if (registrations_ == nullptr) {
    registrations_ = std::make_unique<Registrations>();
    registrations_->next_own = own_ == Side::client ? 2 : 1;
  }
  return *registrations_;
}

std::optional<ContextTable::Found> ContextTable::find_other(Bytes datagram) {
  if (const auto id = take_varint(datagram)) {
    if (*id == 0) return Found{{}, datagram};  // 0 in more than one byte is 0 all the same
    if (registrations_ != nullptr)
      if (const Context* context = registrations_->find(*id)) return Found{*context, datagram};
  }
  ++unknown_;
  return std::nullopt;
}

Result<std::uint64_t> ContextTable::allocate(const Context& context) {
  Registrations& all = registrations();
  if (all.open.size() >= max_registered)
    return fail(ErrorKind::resource, fmt::format("a tunnel has {} contexts at most", max_registered));
  if (all.next_own == padding_id(own_)) all.next_own += 2;
  if (all.next_own > varint_max) return fail(ErrorKind::resource, "the tunnel's context IDs are used up");
  const std::uint64_t id = all.next_own;
  all.next_own += 2;
  all.open.insert(all.at(id), {id, context});
  return id;
}

Result<> ContextTable::register_peers(std::uint64_t id, const Context& context) {
  if (id == 0 || id > varint_max || is_own(id))
    return fail(ErrorKind::protocol,
                fmt::format("context ID {} is not the {}'s to allocate (RFC 9298 §4, RFC 9484 §5)", id,
                            own_ == Side::client ? "proxy" : "client"));
  Registrations& all = registrations();
  const auto at = all.at(id);
  if ((at != all.open.end() && at->id == id) || std::ranges::find(all.closed, id) != all.closed.end())
    return fail(ErrorKind::protocol,
                fmt::format("context ID {} was allocated before (RFC 9298 §4, RFC 9484 §5)", id));
  if (all.open.size() >= max_registered)
    return fail(ErrorKind::resource, fmt::format("a tunnel has {} contexts at most", max_registered));
  all.open.insert(at, {id, context});
  return {};
}

void ContextTable::close(std::uint64_t id) {
  if (registrations_ == nullptr || registrations_->find(id) == nullptr) return;
  registrations_->open.erase(registrations_->at(id));
  if (is_own(id)) return;  // next_own never comes back to it
  if (registrations_->closed.size() == max_closed) registrations_->closed.pop_front();
  registrations_->closed.push_back(id);
}

std::size_t ContextTable::registered() const {
  return registrations_ == nullptr ? 0 : registrations_->open.size();
}

Bytes ContextTable::padding_prefix() const {
  return own_ == Side::client ? client_padding_prefix : server_padding_prefix;
}

bool ContextTable::is_padding(Bytes datagram) const {
  const Side peer = own_ == Side::client ? Side::proxy : Side::client;
  if (!masque::is_padding(datagram, peer == Side::client ? client_padding_prefix : server_padding_prefix))
    return false;
  return registrations_ == nullptr || registrations_->find(padding_id(peer)) == nullptr;
}

}  // namespace sallyport::masque
