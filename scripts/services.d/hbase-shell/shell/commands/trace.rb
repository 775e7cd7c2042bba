# Stands in for the shell's own `trace`, which needs a class that HBase's client has no longer since 2.5: the shell would not
# start. All other commands are HBase's own.
module Shell
  module Commands
    class Trace < Command
      def help
        'Not available here.'
      end

      def command(*)
        puts 'trace is not available here'
      end
    end
  end
end
