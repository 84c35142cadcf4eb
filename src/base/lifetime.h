// Lifetime: lets a member function that calls back to others find out whether such a call destroyed its
// object.
#pragma once

namespace sallyport {

/// A member of the object. The function makes a Guard before it calls out, and after each call touches the
/// object only while the Guard says that it is not gone.
class Lifetime {
 public:
  class Guard {
   public:
    explicit Guard(Lifetime& lifetime);
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard();
    bool gone() const { return lifetime_ == nullptr; }

   private:
    friend class Lifetime;
    Lifetime* lifetime_;
    Guard* outer_;
  };

  Lifetime() = default;
  Lifetime(const Lifetime&) = delete;
  Lifetime& operator=(const Lifetime&) = delete;
  ~Lifetime();

 private:
  Guard* innermost_ = nullptr;
};

}  // namespace sallyport
