using System.Text.Json;
using Gatehouse.Server;

namespace Gatehouse.ParityHost;

/// <summary>
/// Runs one verb of the command line after another in one process, as Django's <c>manage.py obey</c> does there: a line of JSON
/// <c>{"arguments", "input", "environment"}</c> is answered by a line <c>{"code", "output", "errors"}</c>, until the standard input ends.
/// </summary>
internal static class Obey
{
    public static async Task<int> RunAsync(GatehouseProgram program)
    {
        var (orders, answers) = (Console.In, Console.Out);
        while (await orders.ReadLineAsync() is { } line)
        {
            var order = JsonSerializer.Deserialize<Order>(line, JsonSerializerOptions.Web)!;
            using StringWriter output = new(), errors = new();
            Console.SetOut(output);
            Console.SetError(errors);
            Console.SetIn(new StringReader(order.Input ?? ""));
            foreach (var (name, value) in order.Environment) Environment.SetEnvironmentVariable(name, value);
            int code;
            try
            {
                code = await program.RunAsync(order.Arguments);
            }
            catch (Exception error)
            {
                // Where a process of its own would end with it.
                await errors.WriteAsync(error.ToString());
                code = -1;
            }
            foreach (var name in order.Environment.Keys) Environment.SetEnvironmentVariable(name, null);
            await answers.WriteLineAsync(JsonSerializer.Serialize(new { code, output = output.ToString(), errors = errors.ToString() }));
            await answers.FlushAsync();
        }
        return 0;
    }

    private sealed record Order(string[] Arguments, string? Input, Dictionary<string, string> Environment);
}
