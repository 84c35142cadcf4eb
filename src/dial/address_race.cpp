#include "dial/address_race.h"

#include <utility>

namespace sallyport::dial {

AddressRace::AddressRace(Context& context, Peer peer, Security security, DialEvents& events)
    : context_(context),
      security_(std::move(security)),
      peer_(std::move(peer)),
      events_(&events),
      schedule_(context.timers(), [this](std::size_t number) { try_it(make(number)); }),
      graveyard_(context.timers()) {}

void AddressRace::abandon() {
  events_ = nullptr;
  schedule_.stop();
  for (auto& child : children_) child->abandon();
}

void AddressRace::measure(LinkFigures& figures) const {
  figures.over_quic = over_quic();
  if (const Dialled* one = current()) one->measure(figures);
}

void AddressRace::each_running(const std::function<void(const Dialled&)>& visit) const {
  for (const auto& child : children_) visit(*child);
}

void AddressRace::begin() {
  schedule_.begin(peer_.addresses.size());
}

void AddressRace::try_it(std::unique_ptr<Dialled> child) {
  Dialled& started = *child;
  children_.push_back(std::move(child));
  started.start();
}

void AddressRace::destroy_tries() {
  schedule_.stop();
  ready_ = nullptr;
  children_.clear();
  graveyard_.clear();
}

const Dialled* AddressRace::current() const {
  return ready_ != nullptr ? ready_ : children_.empty() ? nullptr : children_.back().get();
}

void AddressRace::on_ready(Dialled& child) {
  ready_ = &child;
  schedule_.stop();
  for (auto& other : children_)
    if (other.get() != &child) graveyard_.take(std::move(other));
  std::erase(children_, nullptr);
  if (events_) events_->on_ready(*this);
}

void AddressRace::on_ended(Dialled& child, const Error* why) {
  if (ready_ != nullptr) return end(why);
  const Tried tried = child.tried();
  const FailureWords words({}, {}, context_.connect_timeout);
  failures_.push_back(why ? words.explain(tried, *why, false) : words.closed(tried));
  if (!over_quic()) return end_failed();
  if (events_) events_->on_address_failed(tried, failures_.back().error);
  if (events_ == nullptr) return;
  if (children_.size() > 1 || schedule_.has_more()) {
    for (auto& mine : children_)
      if (mine.get() == &child) graveyard_.take(std::move(mine));
    std::erase(children_, nullptr);
    // Whoever is told that it leads nowhere does not wait for its turn (RFC 8305 §5).
    schedule_.advance();
    return;
  }
  end_failed();
}

void AddressRace::end_failed() {
  const Error most = most_telling(failures_).error;
  end(&most);
}

void AddressRace::on_address_failed(const Tried& tried, const Error& why) {
  if (events_) events_->on_address_failed(tried, why);
}

void AddressRace::end(const Error* why) {
  if (DialEvents* events = std::exchange(events_, nullptr)) events->on_ended(*this, why);
}

}  // namespace sallyport::dial
