using System.CommandLine;
using System.Text;
using System.Text.Json;

namespace Gatehouse.Server.Commands;

/// <summary><c>gatehouse doctor</c>: what becomes of a Django project when Gatehouse takes its settings and its database. Changes nothing.</summary>
internal static class Doctor
{
    public static Command Make(Func<ParseResult, CommandContext> context)
    {
        var json = new Option<bool>("--json") { Description = "For programs: one JSON object." };
        var command = new Command("doctor", "Examine a Django project's settings and database: what works, what needs a switch, what is insecure, what would break. Changes nothing.") { json };
        command.SetAction((parsed, ct) => RunAsync(context(parsed), parsed.GetValue(json), ct));
        return command;
    }

    private static async Task<int> RunAsync(CommandContext context, bool json, CancellationToken ct)
    {
        try
        {
            var findings = new List<Finding>();
            var options = DoctorSettings.Examine(context, findings);
            await DoctorDatabase.ExamineAsync(options, TimeProvider.System, findings, ct);
            var sorted = findings.OrderBy(one => one.Verdict).ToList();
            Console.Write(json ? Json(sorted) : Table(sorted));
            return sorted.Exists(one => one.Verdict == Verdict.Breaks) ? 1 : 0;
        }
        catch (Exception error) when (CommandContext.OneLine(error) is { } line)
        {
            await Console.Error.WriteLineAsync(line);
            return 1;
        }
    }

    private static string Table(List<Finding> findings)
    {
        var subjects = Math.Min(44, findings.Max(one => one.Subject.Length));
        var width = Console.IsOutputRedirected ? int.MaxValue : Math.Max(60, Console.WindowWidth - 1);
        var text = new StringBuilder();
        foreach (var finding in findings)
        {
            var head = $"{Word(finding.Verdict),-12} {finding.Subject.PadRight(subjects)}  ";
            var line = new StringBuilder(head);
            var indent = new string(' ', 13 + subjects + 2);
            var start = true;
            foreach (var word in finding.Text.Split(' '))
            {
                if (!start && line.Length + 1 + word.Length > width)
                {
                    text.Append(line).Append('\n');
                    line.Clear().Append(indent);
                    start = true;
                }
                if (!start) line.Append(' ');
                line.Append(word);
                start = false;
            }
            text.Append(line).Append('\n');
        }
        var counts = string.Join(", ", Enum.GetValues<Verdict>().Select(verdict => $"{findings.Count(one => one.Verdict == verdict)} {Word(verdict)}"));
        return text.Append('\n').Append(counts).Append(". Nothing was changed.\n").ToString();
    }

    private static string Json(List<Finding> findings)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteStartArray("findings");
            foreach (var finding in findings)
            {
                json.WriteStartObject();
                json.WriteString("verdict", Word(finding.Verdict));
                json.WriteString("subject", finding.Subject);
                json.WriteString("text", finding.Text);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteStartObject("count");
            foreach (var verdict in Enum.GetValues<Verdict>()) json.WriteNumber(Word(verdict), findings.Count(one => one.Verdict == verdict));
            json.WriteEndObject();
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(stream.ToArray()) + "\n";
    }

    private static string Word(Verdict verdict) => verdict switch
    {
        Verdict.Breaks => "breaks",
        Verdict.Insecure => "insecure",
        Verdict.Switch => "needs switch",
        _ => "works",
    };
}

/// <summary>What becomes of something, the gravest first.</summary>
internal enum Verdict
{
    /// <summary>Gatehouse would not start, or somebody would be locked out.</summary>
    Breaks,

    /// <summary>It works as it did, and that is a hole.</summary>
    Insecure,

    /// <summary>It works otherwise than in Django, unless a setting says so.</summary>
    Switch,

    Works,
}

/// <summary>One row of the report. Never holds a secret.</summary>
internal sealed record Finding(Verdict Verdict, string Subject, string Text);
