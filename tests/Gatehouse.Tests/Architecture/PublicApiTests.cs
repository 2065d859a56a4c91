using System.Reflection;
using System.Text;
using Xunit;

namespace Gatehouse.Tests.Architecture;

/// <summary>What host code may call is written down in PublicApi.txt, so that no change of it goes unnoticed.</summary>
public sealed class PublicApiTests
{
    private const string File = "tests/Gatehouse.Tests/Architecture/PublicApi.txt";

    [Fact]
    public async Task The_public_API_is_the_one_that_is_written_down()
    {
        var now = Describe(typeof(GatehouseOptions).Assembly, typeof(Gatehouse.Admin.AdminRoutes).Assembly, typeof(Gatehouse.Server.GatehouseProgram).Assembly);
        if (Environment.GetEnvironmentVariable("ACCEPT_PUBLIC_API") == "1") await System.IO.File.WriteAllTextAsync(Sources.Of(File), now, TestContext.Current.CancellationToken);
        var written = System.IO.File.Exists(Sources.Of(File)) ? await System.IO.File.ReadAllTextAsync(Sources.Of(File), TestContext.Current.CancellationToken) : "";

        var (gone, come) = (written.Split('\n').Except(now.Split('\n')), now.Split('\n').Except(written.Split('\n')));
        Assert.True(
            written == now,
            $"The public API differs from {File}. If that is meant, run: ACCEPT_PUBLIC_API=1 ./test --filter-class '*PublicApiTests'\n"
            + string.Join('\n', gone.Select(line => "- " + line).Concat(come.Select(line => "+ " + line))));
    }

    private static string Describe(params Assembly[] assemblies)
    {
        var text = new StringBuilder();
        foreach (var assembly in assemblies)
        {
            text.Append($"# {assembly.GetName().Name}\n");
            foreach (var type in assembly.GetExportedTypes().OrderBy(type => type.FullName, StringComparer.Ordinal))
            {
                text.Append($"\n{Kind(type)} {Name(type)}{Bases(type)}\n");
                foreach (var line in Members(type).Order(StringComparer.Ordinal)) text.Append($"    {line}\n");
            }
            text.Append('\n');
        }
        return text.ToString().TrimEnd() + "\n";
    }

    private static IEnumerable<string> Members(Type type)
    {
        if (type.IsEnum)
        {
            foreach (var name in Enum.GetNames(type)) yield return $"{name} = {Convert.ToInt64(Enum.Parse(type, name))}";
            yield break;
        }
        const BindingFlags All = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        foreach (var member in type.GetMembers(All))
        {
            var line = member switch
            {
                ConstructorInfo c when IsVisible(c) => $"new({Parameters(c)})",
                MethodInfo m when IsVisible(m) && (!m.IsSpecialName || m.Name.StartsWith("op_", StringComparison.Ordinal)) && !m.Name.Contains('<', StringComparison.Ordinal) =>
                    $"{Modifiers(m)}{Name(m.ReturnType)} {m.Name}{Generic(m)}({Parameters(m)})",
                PropertyInfo p when (IsVisible(p.GetMethod) || IsVisible(p.SetMethod)) && p.Name != "EqualityContract" =>
                    $"{Modifiers((p.GetMethod ?? p.SetMethod)!)}{Name(p.PropertyType)} {p.Name} {{{(IsVisible(p.GetMethod) ? " get;" : "")}{(IsVisible(p.SetMethod) ? IsInit(p) ? " init;" : " set;" : "")} }}",
                EventInfo e when IsVisible(e.AddMethod) => $"event {Name(e.EventHandlerType!)} {e.Name}",
                FieldInfo f when f.IsPublic || f.IsFamily => $"{(f.IsLiteral ? "const " : f.IsStatic ? "static " : "")}{Name(f.FieldType)} {f.Name}",
                _ => null,
            };
            if (line is not null) yield return line;
        }
    }

    private static bool IsVisible(MethodBase? method) => method is { IsPublic: true } or { IsFamily: true } or { IsFamilyOrAssembly: true };

    private static bool IsInit(PropertyInfo property) =>
        property.SetMethod!.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(System.Runtime.CompilerServices.IsExternalInit));

    private static string Kind(Type type) =>
        type.IsEnum ? "enum" : type.IsInterface ? "interface" : type.IsValueType ? "struct" : type is { IsAbstract: true, IsSealed: true } ? "static class"
        : type.IsAbstract ? "abstract class" : type.IsSealed ? "sealed class" : "class";

    private static string Bases(Type type)
    {
        if (type.IsEnum || type.IsValueType) return "";
        var bases = (type.BaseType == typeof(object) || type.BaseType is null ? [] : new[] { type.BaseType }).Concat(type.GetInterfaces()
            .Where(one => type.BaseType?.GetInterfaces().Contains(one) != true)).Select(Name).ToList();
        return bases.Count == 0 ? "" : " : " + string.Join(", ", bases);
    }

    private static string Modifiers(MethodBase method) =>
        (method.IsFamily ? "protected " : "") + (method.IsStatic ? "static " : method.IsAbstract ? "abstract "
            : method is MethodInfo { IsVirtual: true, IsFinal: false } m ? m.GetBaseDefinition() == m ? "virtual " : m.IsFinal ? "" : "override " : "");

    private static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select(one =>
        $"{(one.IsDefined(typeof(ParamArrayAttribute)) ? "params " : "")}{Name(one.ParameterType)} {one.Name}{(one.HasDefaultValue ? $" = {Default(one)}" : "")}"));

    private static string Default(ParameterInfo parameter) => parameter.DefaultValue switch { null => "null", string text => $"\"{text}\"", bool truth => truth ? "true" : "false", var value => $"{value}" };

    private static string Generic(MethodInfo method) => method.IsGenericMethod ? $"<{string.Join(", ", method.GetGenericArguments().Select(Name))}>" : "";

    private static string Name(Type type)
    {
        if (type.IsArray) return Name(type.GetElementType()!) + "[]";
        if (Nullable.GetUnderlyingType(type) is { } inner) return Name(inner) + "?";
        if (type.IsGenericParameter) return type.Name;
        var name = type.IsNested ? Name(type.DeclaringType!) + "." + type.Name : type.Namespace?.StartsWith("Gatehouse", StringComparison.Ordinal) == true ? type.FullName ?? type.Name : type.Name;
        var tick = name.IndexOf('`', StringComparison.Ordinal);
        return tick < 0 ? name : $"{name[..tick]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>";
    }
}
