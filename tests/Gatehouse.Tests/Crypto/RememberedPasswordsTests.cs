using Gatehouse.Crypto;
using Xunit;

namespace Gatehouse.Tests.Crypto;

public sealed class RememberedPasswordsTests
{
    [Fact]
    public void Only_the_same_user_hash_and_password_are_known()
    {
        var remembered = new RememberedPasswords();

        remembered.Remember(1, "stored", "password");

        Assert.True(remembered.Knows(1, "stored", "password"));
        Assert.False(remembered.Knows(2, "stored", "password"));
        Assert.False(remembered.Knows(1, "changed", "password"));
        Assert.False(remembered.Knows(1, "stored", "passwords"));
        Assert.False(remembered.Knows(1, "storedp", "assword"));
        Assert.False(new RememberedPasswords().Knows(1, "stored", "password"));
    }

    [Fact]
    public void Long_passwords_and_lone_surrogates_are_told_apart()
    {
        var remembered = new RememberedPasswords();
        var password = new string('x', 4095) + "\ud800";

        remembered.Remember(1, "stored", password);

        Assert.True(remembered.Knows(1, "stored", password));
        Assert.False(remembered.Knows(1, "stored", new string('x', 4095) + "\ud801"));
        Assert.False(remembered.Knows(1, "stored", password + "x"));
    }

    [Fact]
    public void The_oldest_are_forgotten_and_the_used_are_kept()
    {
        var remembered = new RememberedPasswords(capacity: 100);
        remembered.Remember(0, "stored", "used");
        remembered.Remember(0, "stored", "unused");

        for (var i = 1; i <= 1000; i++)
        {
            remembered.Remember(i, "stored", "password");
            Assert.True(remembered.Knows(0, "stored", "used"));
        }

        Assert.False(remembered.Knows(0, "stored", "unused"));
        Assert.InRange(Enumerable.Range(1, 1000).Count(i => remembered.Knows(i, "stored", "password")), 1, 100);
    }

    [Fact]
    public void Many_threads_may_use_it()
    {
        var remembered = new RememberedPasswords(capacity: 50);

        Parallel.For(0, 10_000, i =>
        {
            remembered.Remember(i, "stored", "password");
            Assert.False(remembered.Knows(i, "stored", "other"));
        });

        remembered.Remember(1, "stored", "password");
        Assert.True(remembered.Knows(1, "stored", "password"));
    }
}
