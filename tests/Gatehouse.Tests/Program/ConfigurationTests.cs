using System.Text;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace Gatehouse.Tests.Program;

/// <summary>Settings in .NET's own form, whose configuration parts names at colons.</summary>
public sealed class ConfigurationTests
{
    [Fact]
    public void A_scope_with_a_colon_in_its_name_is_one_scope()
    {
        var options = Read("""{ "OAuth": { "Scopes": { "todos:read": "Read", "todos:write": "Write", "read": "All", "read:some": "Some" } } }""");

        Assert.Equal(
            [("read", "All"), ("read:some", "Some"), ("todos:read", "Read"), ("todos:write", "Write")],
            options.OAuth.Scopes.Select(scope => (scope.Key, scope.Value)).OrderBy(scope => scope.Key, StringComparer.Ordinal));
    }

    private static GatehouseOptions Read(string json)
    {
        var options = new GatehouseOptions();
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes($$"""{ "Gatehouse": {{json}} }"""));
        GatehouseConfiguration.Apply(new ConfigurationBuilder().AddJsonStream(stream).Build().GetSection("Gatehouse"), options);
        return options;
    }
}
